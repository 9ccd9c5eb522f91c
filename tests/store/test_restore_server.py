"""A backup goes from the embedded engine to a server and back without a loss."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.backup.writing import back_up
from nearclass.store import Store


def test_there_and_back_it_answers_alike(server: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    asked = [Item(str(n), vector=tuple(rng.normal(size=6))) for n in range(20)]
    places = [str(tmp_path / "laptop.db"), server, str(tmp_path / "again.db")]
    with Catalog.open(settings=Settings(uri=places[0])) as catalog:
        names = ("Boots", "Hoses", "Spades", "Kettles")
        catalog.import_classes([ClassSpec(name, name, vector=tuple(rng.normal(size=6))) for name in names], space="r")
        catalog.ingest([Item(f"i{n}", title="é", vector=tuple(rng.normal(size=6))) for n in range(50)], space="r")
        catalog.items("r").confirm(["i3"], "Boots")
        before = (catalog.assign(asked, space="r"), catalog.items("r").list(), catalog.classes.log())
    for one, other in pairwise(places):
        folder = tmp_path / f"backup of {Path(one).name}"
        with Store.open(one) as store:
            back_up(store, "default", folder)
        with Store.open(other) as store:
            restore(store, "default", Backup(folder))
        with Catalog.open(settings=Settings(uri=other)) as catalog:
            assert (catalog.assign(asked, space="r"), catalog.items("r").list(), catalog.classes.log()) == before
