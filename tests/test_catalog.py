"""A catalogue over its life: opened, changed, cut off, mixed up, and shared between processes."""

import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import (
    ClassNotFoundError,
    EmptyTaxonomyError,
    SchemaMismatchError,
    SpaceMismatchError,
    TaxonomyError,
    UsageError,
)
from nearclass.store.state import Document


def test_everything_is_there_after_reopening(open_catalog, shop):
    catalog = open_catalog()
    catalog.import_classes(shop)
    catalog.ingest([Item("1", title="steel kettle")])
    answers = catalog.assign(["steel kettle", "boots for hiking"])
    catalog.close()
    again = open_catalog()
    assert list(again.classes.taxonomy) == list(shop)
    assert again.items().get("1").class_id == "kettles"
    assert again.assign(["steel kettle", "boots for hiking"]) == answers


def test_both_class_searches_give_the_same_answers(open_catalog, shop):
    texts = ["steel kettle", "hiking boots", "tool to dig", "flat computer", "x"]
    catalog = open_catalog()
    catalog.import_classes(shop)
    mirror = catalog.assign(texts)
    catalog.close()
    milvus = open_catalog(class_search="milvus").assign(texts)
    assert [answer.class_id for answer in milvus] == [answer.class_id for answer in mirror]
    for one, other in zip(milvus, mirror, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert [c.class_id for c in one.candidates] == [c.class_id for c in other.candidates]


def test_a_class_is_live_at_once_in_the_same_process(catalog):
    assert catalog.assign("e-book reader, 6 inch")[0].class_id != "computers/e-readers"
    catalog.classes.add("E-readers", parent="Computers", descriptions=["Devices to read e-books on."])
    answer = catalog.assign("e-book reader, 6 inch")[0]
    assert (answer.class_id, answer.revision) == ("computers/e-readers", 2)
    assert answer.path == ("Computers", "E-readers")


def test_importing_the_same_classes_again_changes_nothing(catalog, shop):
    change = catalog.import_classes(shop)
    assert (change.added, change.changed, change.unchanged) == ((), (), len(shop))
    assert change.taxonomy.revision == 1


def test_an_edit_moves_the_class_vector(catalog):
    before = catalog.assign("machine for espresso")[0].candidates[0].class_id
    catalog.classes.edit("boots", descriptions=("machine for espresso",))
    assert before != "boots"
    assert catalog.assign("machine for espresso")[0].class_id == "boots"


def test_a_retired_branch_is_not_answered_until_it_is_restored(catalog):
    catalog.classes.retire("shoes")
    assert not {c.class_id for c in catalog.assign("running shoes", k=20)[0].candidates} & {
        "running",
        "boots",
    }
    catalog.classes.restore("shoes")
    assert catalog.assign("light shoes for runners")[0].class_id == "running"


def test_a_class_with_children_groups_unless_it_says_otherwise(catalog):
    assert "home" not in {c.class_id for c in catalog.assign("home and kitchen", k=20)[0].candidates}
    catalog.classes.edit("home", assignable=True)
    assert catalog.assign("home and kitchen")[0].class_id == "home"


def test_renaming_a_parent_reaches_the_paths_of_its_children(catalog):
    catalog.classes.edit("computers", name="Computing")
    assert catalog.assign("flat computer with a touch screen")[0].path == ("Computing", "Tablets")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ClassSpec("x", "X", "nowhere"), "nowhere"),
        (ClassSpec("x", "Kettles", "home"), "Kettles"),
        (ClassSpec("", "X"), "id"),
        (ClassSpec("x" * 600, "X"), "512"),
        (ClassSpec("x", " "), "name"),
    ],
)
def test_a_class_that_does_not_fit_is_refused_with_its_reason(catalog, spec, message):
    problems = catalog.import_classes([spec]).problems
    assert len(problems) == 1
    assert message in problems[0].message
    assert catalog.classes.taxonomy.revision == 1


def test_classes_cannot_be_put_below_themselves(catalog):
    change = catalog.import_classes([ClassSpec("home", "Home & Kitchen", "kettles")])
    assert {problem.code for problem in change.problems} == {"cycle"}


def test_adding_twice_and_unknown_parents_are_named(catalog):
    with pytest.raises(TaxonomyError, match="kettles"):
        catalog.classes.add("Other", id="kettles")
    with pytest.raises(ClassNotFoundError, match="Kitchn"):
        catalog.classes.add("Other", parent="Kitchn")


def test_assigning_without_classes_says_how_to_add_one(open_catalog):
    catalog = open_catalog()
    with pytest.raises(EmptyTaxonomyError, match="no class") as caught:
        catalog.assign("kettle")
    assert "classes add" in caught.value.hint


def test_a_taxonomy_of_groups_only_says_so(open_catalog):
    catalog = open_catalog()
    catalog.import_classes([ClassSpec("a", "A", assignable=False)])
    with pytest.raises(EmptyTaxonomyError, match="only group"):
        catalog.assign("kettle")


def test_a_text_of_nothing_is_refused_by_name(catalog):
    with pytest.raises(UsageError, match="item '2'"):
        catalog.assign(["kettle", " \x00 "])


def test_evidence_names_what_matched(catalog):
    answer = catalog.assign("water boiler")[0]
    assert (answer.evidence[0].kind, answer.evidence[0].text) == ("synonym", "water boiler")
    assert answer.evidence[0].similarity == pytest.approx(1, abs=1e-4)
    assert len(catalog.assign("water boiler", explain=False)[0].evidence) == 0


def test_another_encoder_is_refused_at_open_with_both_sides_named(open_catalog, shop, tmp_path):
    catalog = open_catalog()
    catalog.import_classes(shop)
    catalog.close()
    other = TextEncoder(describe(resolve("minilm"), class_prompt="category: "))
    with pytest.raises(SpaceMismatchError) as caught:
        Catalog.open(settings=Settings(uri=str(tmp_path / "shop.db")), encoder=other)
    message = str(caught.value)
    assert other.space.name in message
    assert "class_prompt" in message
    assert caught.value.exit_code == 4
    open_catalog()  # and the database was let go of


def test_another_layout_is_refused_at_open(open_catalog, shop):
    catalog = open_catalog()
    catalog.import_classes(shop)
    body = catalog._state.get("catalog", "catalog").body
    catalog._state.put(Document("catalog", "catalog", {**body, "schema_version": 99}))
    catalog.close()
    with pytest.raises(SchemaMismatchError, match="99"):
        open_catalog()


def test_two_catalogues_in_one_database_do_not_see_each_other(open_catalog, shop, tmp_path, encoder):
    catalog = open_catalog()
    catalog.import_classes(shop)
    catalog.close()
    other = open_catalog(catalog="other")
    assert len(other.classes.taxonomy) == 0
    other.import_classes([ClassSpec("kettles", "Something else")])
    other.close()
    assert open_catalog().classes.taxonomy["kettles"].name == "Kettles"


@pytest.mark.parametrize("step", ["save", "evidence", "classes", "rules"])
def test_a_change_that_is_cut_off_is_completed_at_the_next_open(open_catalog, shop, monkeypatch, step):
    from nearclass.ingest import classes as classes_module
    from nearclass.ingest import editing

    catalog = open_catalog()
    catalog.import_classes(shop)

    class Cut(BaseException):
        pass

    def cut(*_args, **_kwargs):
        raise Cut

    where = {
        "save": (editing, "sync"),
        "evidence": (classes_module, "_write_from_texts"),
        "classes": (classes_module, "class_vector"),
        "rules": (classes_module, "write_rules"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, cut)
        with pytest.raises(Cut):
            catalog.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])
    assert catalog.assign("device to read e-books on")[0].class_id != "computers/e-readers"
    catalog.close()
    again = open_catalog()
    assert again.classes.taxonomy.revision == 2
    assert again.assign("device to read e-books on")[0].class_id == "computers/e-readers"


def test_a_cut_off_change_of_a_parent_is_completed_too(open_catalog, shop, monkeypatch):
    from nearclass.ingest import editing

    catalog = open_catalog()
    catalog.import_classes(shop)

    class Cut(BaseException):
        pass

    def cut(*_args, **_kwargs):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(editing, "sync", cut)
        with pytest.raises(Cut):
            catalog.classes.edit("computers", name="Computing")
    catalog.close()
    again = open_catalog()
    assert again.classes.taxonomy.path("tablets") == ("Computing", "Tablets")
    assert again.classes.taxonomy.revision == 2


def test_a_cut_off_change_is_completed_by_the_next_change_in_the_same_process(catalog, cut_off):
    cut_off(catalog)
    catalog.classes.add("Rakes", parent="garden")
    assert catalog.assign("device to read e-books on")[0].class_id == "computers/e-readers"


def test_reading_an_empty_catalogue_does_not_choose_its_encoder(open_catalog):
    catalog = open_catalog()
    assert catalog.items().list() == []
    assert catalog.spaces == []


def test_anything_but_items_and_paths_is_refused(catalog):
    with pytest.raises(UsageError, match="42"):
        catalog.ingest([Item("1", title="kettle"), 42])


def test_refused_items_are_kept_with_their_reason(catalog, tmp_path):
    counts = catalog.ingest([Item("1", title=" "), Item("2", title="kettle")], rejects=tmp_path / "r.jsonl")
    assert (counts.rejected, counts.ok) == (1, 1)
    assert "no_text" in (tmp_path / "r.jsonl").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Milvus server that several processes can use; each test has a catalogue of its own there."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("milvus-lite")),
        "server",
        "--data-dir",
        str(folder / "data"),
    ]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--max-workers", "1"], stdout=log, stderr=log
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()
    log.close()


ADD = """
import sys
from nearclass import Catalog, Settings
with Catalog.open(settings=Settings(uri=sys.argv[1], catalog=sys.argv[2])) as catalog:
    catalog.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])
    print("added", flush=True)
    input()
    catalog.classes.retire("boots")
    print("retired", flush=True)
"""


@pytest.mark.slow
def test_a_class_added_by_another_process_is_used_within_two_seconds(server, shop, encoder):
    def settings(class_search):
        return Settings(uri=server, catalog="shared", class_search=class_search)

    with (
        Catalog.open(settings=settings("mirror"), encoder=encoder) as mirror,
        Catalog.open(settings=settings("milvus"), encoder=encoder) as milvus,
    ):
        mirror.import_classes(shop)
        for catalog in (mirror, milvus):
            assert catalog.assign("device to read e-books on")[0].class_id != "computers/e-readers"
        command = [sys.executable, "-c", ADD, server, "shared"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            said(other, "added")
            within_two_seconds(
                lambda: all(
                    one.assign("device to read e-books on")[0].class_id == "computers/e-readers"
                    for one in (mirror, milvus)
                )
            )
            other.stdin.write("\n")
            other.stdin.flush()
            said(other, "retired")
            within_two_seconds(
                lambda: (
                    not any(
                        "boots" in {candidate.class_id for candidate in one.assign("boots", k=20)[0].candidates}
                        for one in (mirror, milvus)
                    )
                )
            )
        assert other.returncode == 0


def said(process, line):
    assert process.stdout.readline().strip() == line


def within_two_seconds(done):
    since = time.monotonic()
    while not done():
        assert time.monotonic() - since < 2


def test_writers_in_two_processes_do_not_lose_each_others_classes(server, shop, encoder):
    settings = Settings(uri=server, catalog="two_writers")
    with Catalog.open(settings=settings, encoder=encoder) as one:
        one.import_classes(shop)
        with Catalog.open(settings=settings, encoder=encoder) as two:
            for number in range(3):
                one.classes.add(f"First {number}")
                two.classes.add(f"Second {number}")
            names = {f"{word} {number}" for word in ("First", "Second") for number in range(3)}
            one._taxonomies.reload()
            two._taxonomies.reload()
            assert names <= {spec.name for spec in one.classes.taxonomy}
            assert names <= {spec.name for spec in two.classes.taxonomy}
            assert one.assign("second 2")[0].candidates[0].class_id == "second-2"


def test_class_definitions_survive_a_round_trip(open_catalog, shop):
    rich = replace(
        shop[1], attributes={"gpc": [1, {"a": None}]}, images=("https://example.org/a.jpg",), assignable=True
    )
    catalog = open_catalog()
    catalog.import_classes([shop[0], rich])
    catalog.close()
    assert open_catalog().classes.taxonomy["kettles"] == rich


def test_class_vectors_are_those_of_the_classes_that_may_be_answered(catalog):
    vectors = catalog.class_vectors()
    assert set(vectors) == set(catalog.classes.taxonomy.assignable())
    assert np.linalg.norm(vectors["kettles"]) == pytest.approx(1, abs=1e-5)
    catalog.classes.retire("kettles")
    assert "kettles" not in catalog.class_vectors()


def test_a_catalogue_without_classes_has_no_class_vectors(open_catalog):
    assert open_catalog().class_vectors() == {}
