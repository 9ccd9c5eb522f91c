"""A whole catalogue is copied into another store as it is, or cannot be opened there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.errors import SchemaMismatchError, StoreError
from nearclass.store import Store
from nearclass.store.copying import CatalogReader, CatalogWriter, Table, copy_catalog
from nearclass.store.source_versions import Stamp, Versions
from nearclass.store.state import Document, State

SPACE = "resnet"
DIM = 12
ITEMS = 120
CLASSES = (
    ClassSpec("shoes", "Shoes"),
    ClassSpec("running", "Running shoes", "shoes"),
    ClassSpec("boots", "Boots", "shoes", ("Sturdy shoes that cover the ankle.",)),
    ClassSpec("garden", "Garden"),
    ClassSpec("spades", "Spades", "garden"),
    ClassSpec("hoses", "Hoses", "garden"),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with given vectors: classes, items, a confirmed one."""
    path = tmp_path_factory.mktemp("source") / "shop.db"
    rng = np.random.default_rng(3)
    with opened(path, "shop") as catalog:
        catalog.import_classes([replace(one, vector=tuple(rng.normal(size=DIM))) for one in CLASSES], space=SPACE)
        catalog.ingest(things(rng, ITEMS), space=SPACE)
        catalog.items(SPACE).confirm(["i7"], "boots")
        Versions(catalog.store, "shop").settle(
            [Stamp("items", "i7", 4, "d"), Stamp("items", "gone", 9, "d", deleted=True)]
        )
    return path


def opened(uri: str | Path, name: str) -> Catalog:
    return Catalog.open(settings=Settings(uri=str(uri), catalog=name))


def things(rng: np.random.Generator, count: int) -> list[Item]:
    vectors = rng.normal(size=(count, DIM))
    return [
        Item(f"i{n}", title=f"thing {n}", vector=tuple(vector), attributes={"price": n / 7, "名": ["é", None]})
        for n, vector in enumerate(vectors)
    ]


def everything(store: Store, name: str) -> dict[str, dict[str, Any]]:
    reader = CatalogReader(store, name)
    return {
        table.name: {row["key"]: {**row, "vector": row["vector"].tobytes()} for page in reader.pages(table) for row in page}
        for table in reader.tables()
    }  # fmt: skip


def answers(catalog: Catalog) -> list[Any]:
    items = things(np.random.default_rng(11), 20)
    return [(one.class_id, one.decision, one.candidates, one.margin) for one in catalog.assign(items, space=SPACE)]


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "other.db") if request.param == "lite" else request.getfixturevalue(request.param)


@pytest.mark.parametrize("target", ["lite", "server", pytest.param("milvus", marks=pytest.mark.slow)], indirect=True)
def test_a_copy_has_every_row_to_the_bit_and_answers_alike(source: Path, target: str) -> None:
    with Store.open(str(source)) as one, Store.open(target) as other:
        before = everything(one, "shop")
        counts = copy_catalog(CatalogReader(one, "shop"), CatalogWriter(other, "copy"), "shop")
        assert everything(other, "copy") == before
        assert counts == {name: len(rows) for name, rows in before.items()}
        assert counts[f"items of {SPACE}"] == ITEMS
        assert counts["versions"] == 2
    with opened(source, "shop") as one, opened(target, "copy") as other:
        assert answers(other) == answers(one)
        assert other.items(SPACE).get("i7") == one.items(SPACE).get("i7")
        assert other.items(SPACE).get("i7").confirmed_class == "boots"
        other.classes.add("Sandals", parent="shoes")  # what is restored is used like any other
        assert other.classes.taxonomy.revision == one.classes.taxonomy.revision + 1


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_copy_that_was_cut_off_cannot_be_opened_and_is_made_again(source: Path, tmp_path: Path, after: int) -> None:
    target = tmp_path / "cut.db"
    pages = iter(range(after))

    def stop(_rows: int) -> None:
        if next(pages, None) is None:
            raise KeyboardInterrupt

    with Store.open(str(source)) as one:
        reader = CatalogReader(one, "shop")
        with Store.open(str(target)) as other, pytest.raises(KeyboardInterrupt):
            copy_catalog(reader, CatalogWriter(other, "shop"), "the shop", stop)
        with pytest.raises(StoreError, match="not whole: it is being filled from the shop"):
            opened(target, "shop")
        with Store.open(str(target)) as other:
            copy_catalog(reader, CatalogWriter(other, "shop"), "the shop")
            assert everything(other, "shop") == everything(one, "shop")
    opened(target, "shop").close()


def test_what_another_source_had_begun_is_emptied(source: Path, tmp_path: Path) -> None:
    with Store.open(str(source)) as one, Store.open(str(tmp_path / "t.db")) as other:
        reader = CatalogReader(one, "shop")
        begun = CatalogWriter(other, "shop")
        assert begun.begin("first", "the first", reader.spaces) == 0
        items = Table("items", reader.spaces[0])
        row = next(reader.pages(items))[0]
        begun.write(items, [{**row, "key": "0" * 32}])
        begun.done(1, items)
        assert CatalogWriter(other, "shop").begin("first", "the first", reader.spaces) == 1
        copy_catalog(reader, CatalogWriter(other, "shop"), "the shop")
        assert everything(other, "shop") == everything(one, "shop")


def test_a_catalogue_with_anything_in_it_is_not_filled(source: Path, tmp_path: Path) -> None:
    with Store.open(str(source)) as one:
        with pytest.raises(StoreError, match=r"'shop' at .* is not empty: nc_shop_state has \d+ rows"):
            CatalogWriter(one, "shop").begin("x", "x", [])
        with Store.open(str(tmp_path / "t.db")) as other:
            writer = CatalogWriter(other, "shop")
            State(other, "shop").create()  # as any command that only reads leaves it
            reader = CatalogReader(one, "shop")
            assert copy_catalog(reader, writer, "shop") == {
                name: len(rows) for name, rows in everything(one, "shop").items()
            }


def test_a_catalogue_without_a_vector_is_copied(tmp_path: Path) -> None:
    opened(tmp_path / "empty.db", "a").close()
    with Store.open(str(tmp_path / "empty.db")) as store:
        assert copy_catalog(CatalogReader(store, "a"), CatalogWriter(store, "b"), "a") == {"state": 0}
    opened(tmp_path / "empty.db", "b").close()


def test_a_row_too_few_keeps_the_catalogue_closed(source: Path, tmp_path: Path) -> None:
    with Store.open(str(source)) as one, Store.open(str(tmp_path / "t.db")) as other:
        reader, writer = CatalogReader(one, "shop"), CatalogWriter(other, "shop")
        writer.begin("s", "the shop", reader.spaces)
        items = Table("items", reader.spaces[0])
        with pytest.raises(StoreError, match=f"items of {SPACE}: 5 rows were to be in 'shop', and 0 are there"):
            writer.finish([(items, 5)], reader.opening)
        with pytest.raises(StoreError, match="not whole"):
            CatalogReader(other, "shop")


def test_the_mark_changes_with_classes_and_not_with_items(source: Path, tmp_path: Path) -> None:
    with Store.open(str(source)) as one, Store.open(str(tmp_path / "t.db")) as other:
        copy_catalog(CatalogReader(one, "shop"), CatalogWriter(other, "shop"), "shop")
    with opened(tmp_path / "t.db", "shop") as catalog:
        reader = CatalogReader(catalog.store, "shop")
        marks = [reader.mark()]
        catalog.items(SPACE).confirm(["i1"], "boots")
        assert reader.mark() == marks[0]
        catalog.classes.rename("boots", "Wellingtons")
        assert reader.mark() != marks[0]


def test_a_source_that_changes_meanwhile_is_not_called_copied(source: Path, tmp_path: Path) -> None:
    with Store.open(str(source)) as one, Store.open(str(tmp_path / "t.db")) as other:
        copy_catalog(CatalogReader(one, "shop"), CatalogWriter(other, "shop"), "shop")
    with opened(tmp_path / "t.db", "shop") as catalog, Store.open(str(tmp_path / "u.db")) as other:
        names = iter(["Wellingtons"])

        def change(_rows: int) -> None:
            for name in names:
                catalog.classes.rename("boots", name)

        reader = CatalogReader(catalog.store, "shop")
        with pytest.raises(StoreError, match="the shop was changed while it was read"):
            copy_catalog(reader, CatalogWriter(other, "shop"), "the shop", change)
        with pytest.raises(StoreError, match="not whole"):
            CatalogReader(other, "shop")
        copy_catalog(reader, CatalogWriter(other, "shop"), "the shop", change)


def test_a_catalogue_that_is_not_there_is_named_with_those_that_are(source: Path) -> None:
    with Store.open(str(source)) as store, pytest.raises(StoreError, match="no catalogue 'nowhere'") as caught:
        CatalogReader(store, "nowhere")
    assert "Catalogues there: shop;" in caught.value.hint


@pytest.mark.parametrize(("version", "hint"), [(2, "pip install --upgrade nearclass"), (0, "nearclass backup FOLDER")])
def test_another_schema_version_is_refused_with_what_to_run(tmp_path: Path, version: int, hint: str) -> None:
    opened(tmp_path / "v.db", "default").close()
    with Store.open(str(tmp_path / "v.db")) as store:
        State(store, "default").put(Document("catalog", "catalog", {"schema_version": version}))
    with pytest.raises(SchemaMismatchError, match=f"has schema version {version}, and this nearclass reads") as caught:
        opened(tmp_path / "v.db", "default")
    assert hint in caught.value.hint
