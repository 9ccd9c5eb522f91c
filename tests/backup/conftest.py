"""A catalogue that has everything: classes, items, a confirmed one, something learnt, a calibration, given vectors."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from nearclass import Catalog, Item, Settings
from nearclass.backup.writing import back_up
from nearclass.ingest.labelled import Labelled
from nearclass.schemas.spaces import precomputed
from nearclass.store import Store
from nearclass.store.source_versions import Stamp, Versions

WORDS = {
    "kettles": ("kettle", "water boiler", "tea kettle", "kettle for tea"),
    "toasters": ("toaster", "bread toaster", "toaster for two slices", "retro toaster"),
    "laptops": ("laptop", "notebook computer", "portable laptop", "gaming laptop"),
    "boots": ("boots", "winter boots", "ankle boots", "hiking boots"),
}
KINDS = ("red", "blue", "small", "large", "cheap", "new", "light", "steel", "black", "white", "strong", "modern")
SPACE = "Resnet"
ASKED = ("a red kettle", "gaming laptop with a keyboard", "something to dig with", "steel pipe", "boots", "läptop 電腦")


@dataclass(frozen=True)
class Kept:
    """A catalogue, and a backup of it."""

    database: Path
    folder: Path


def labelled():
    rows = [
        Labelled(Item(f"{class_id}-{word}-{kind}", title=f"{kind} {word}"), frozenset({class_id}))
        for class_id, words in WORDS.items()
        for word in words
        for kind in KINDS
    ]
    return [*rows, *(Labelled(Item(f"odd-{kind}", title=f"{kind} kettle"), frozenset({"boots"})) for kind in KINDS[:3])]


@pytest.fixture(scope="session")
def answers():
    """What a user gets, whole: assignments with candidates, confidence and evidence, and what search finds."""

    def given(catalog):
        item = Item("g", vector=tuple(np.linspace(-1, 1, 5)))
        found = [(one.id, one.similarity, one.class_id) for one in catalog.search("hot tea", k=7)]
        return [catalog.assign(list(ASKED)), found, catalog.assign([item], space=SPACE), catalog.items().list()]

    return given


@pytest.fixture(scope="session")
def opened(real_encoder):
    """Opens a catalogue, by default that of the shop."""

    def open_(uri, name="shop"):
        return Catalog.open(settings=Settings(uri=str(uri), catalog=name), encoder=real_encoder)

    return open_


@pytest.fixture(scope="session")
def kept(_shop_database, opened, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with opened(_shop_database, "default") as catalog:
        specs = list(catalog.classes.taxonomy)
    with opened(folder / "shop.db") as catalog:
        rng = np.random.default_rng(7)
        catalog.import_classes(specs)
        catalog.classes.edit("boots", synonyms=["wellingtons"])
        rows = labelled()
        catalog.ingest([row.item for row in rows[:-10]])
        catalog.ingest(
            [Item("odd ' id \\ \"", title="boots", attributes={"price": 1e-7, "großes": [None, {"a": 2**53}]})]
        )
        catalog.items().confirm(["boots-boots-red"], "boots")
        catalog.learn(rows[::3])
        catalog.calibrate(rows, precision=0.8)
        catalog.import_vectors([replace(one, vector=tuple(rng.normal(size=5))) for one in specs], SPACE)
        catalog.ingest([Item(f"v{n}", vector=tuple(rng.normal(size=5))) for n in range(4)], space=SPACE)
        Versions(catalog.store, "shop").settle(
            [Stamp("items", "v1", 3, "d"), Stamp("items", "gone", 9, "d", deleted=True)]
        )
        catalog._spaces.add(
            precomputed("retired", 3)
        )  # as a move to another encoder leaves the space that served before
        back_up(catalog.store, "shop", folder / "backup")
    return Kept(folder / "shop.db", folder / "backup")


@pytest.fixture
def copy(kept, tmp_path):
    """A copy of the backup, to be damaged."""
    return Path(shutil.copytree(kept.folder, tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path):
    """An open database with nothing in it."""
    with Store.open(str(tmp_path / "empty.db")) as store:
        yield store
