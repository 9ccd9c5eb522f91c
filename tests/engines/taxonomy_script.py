"""Merges and imports of new versions, one after the other."""

from numbering import NumberingEncoder

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.ingest.class_mapping import Lead
from nearclass.ingest.sources import RawRow
from nearclass.ingest.versions import read_version

ROUNDS, WIDTH = 3, 30


def opened(path):
    """The catalogue at a path."""
    return Catalog.open(settings=Settings(uri=str(path), author="script"), encoder=NumberingEncoder())


def begin(catalog):
    """Classes of version 0, and items of which some are confirmed."""
    catalog.import_classes([ClassSpec("root", "Root"), *(_class(0, number) for number in range(WIDTH))])
    catalog.ingest([Item(f"i{number}", title=f"thing {number}") for number in range(WIDTH)])
    for number in range(0, WIDTH, 5):
        catalog.items().confirm([f"i{number}"], f"v0-{number}")


def changes():
    """What is done, in order: a version is imported under new ids, then three of its classes are merged."""
    for version in range(1, ROUNDS + 1):
        yield lambda catalog, version=version: _import(catalog, version)
        yield lambda catalog, version=version: catalog.classes.merge(
            [f"v{version}-1", f"v{version}-2"], f"v{version}-3"
        )


def _class(version, number):
    return ClassSpec(f"v{version}-{number}", f"Class {number}", "root", (f"What version {version} says of {number}.",))


def _import(catalog, version):
    """The next version: classes keep their names and get other ids; the last ones are missing, and retired."""
    taxonomy = catalog.classes.taxonomy
    live = [number for number in range(WIDTH - version) if taxonomy.is_live(f"v{version - 1}-{number}")]
    specs = [_class(version, number) for number in live]
    rows = [{"id": one.id, "name": one.name, "parent": "root", "description": one.descriptions[0]} for one in specs]
    # Merged classes come back under the new ids, as a publisher's next version has them.
    rows += [
        {"id": f"v{version}-{number}", "name": f"Class {number}", "parent": "root"}
        for number in (1, 2)
        if number not in live
    ]
    rows = [RawRow(row, "new.jsonl", place, place) for place, row in enumerate([{"id": "root", "name": "Root"}, *rows])]
    leads = [Lead((f"v{version - 1}-{number}",), ((f"v{version}-{number}",),), rows[0]) for number in live]
    found = read_version(rows, taxonomy, leads, retire_missing=True)
    assert len(found.leads) == len(live)
    assert not found.rejects
    return catalog.import_classes(found.specs, base=taxonomy)
