"""Two processes that change the classes of one catalogue on a server: no change is lost, none is made unseen."""

import json
import subprocess
import sys

import pytest

from nearclass import Catalog, ClassSpec, Settings
from nearclass.errors import TaxonomyError

CHILD = """
import json, random, sys, time
from nearclass import Catalog, ClassSpec, Settings
from nearclass.errors import TaxonomyError
uri, name = sys.argv[1:]
refused = 0
with Catalog.open(settings=Settings(uri=uri, author=name)) as catalog:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(4):
        spec = ClassSpec(f"{name}-{number}", f"{name} {number}", vector=(1.0, float(number), 0.5))
        while True:
            try:
                catalog.import_classes([spec], space="given")
                break
            except TaxonomyError as error:
                assert "after revision" in error.message and "run it again" in error.hint
                refused += 1
                time.sleep(random.uniform(0, 0.2))
print(json.dumps(refused), flush=True)
"""


@pytest.mark.parametrize("engine", ["server", pytest.param("milvus", marks=pytest.mark.slow)])
def test_two_writers_at_once_lose_none_of_each_others_changes(request, engine):
    uri = request.getfixturevalue(engine)
    names = ("anna", "berta")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, uri, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in names
    ]
    try:
        for child in children:
            assert child.stdout.readline() == "open\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        refused = [json.loads(child.communicate(timeout=240)[0]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [child.returncode for child in children] == [0, 0]
    wanted = {f"{name}-{number}" for name in names for number in range(4)}
    with Catalog.open(settings=Settings(uri=uri)) as catalog:
        taxonomy = catalog.classes.taxonomy
        assert set(taxonomy.ids()) == set(catalog.class_vectors("given")) == wanted
        log = catalog.classes.log()
        assert sorted(entry.classes[0] for entry in log) == sorted(wanted)
        assert {entry.by: entry.classes[0].partition("-")[0] for entry in log} == {name: name for name in names}
        assert len({entry.revision for entry in log}) == len(log)
        assert catalog.classes.at(log[-1].base).ids() == []
        assert not catalog._taxonomies.pending()
    print("refused and repeated:", refused)


def test_a_change_that_another_process_completed_keeps_its_revision_in_the_log(server, monkeypatch):
    with opened(server, "slow", "anna") as anna, opened(server, "slow", "berta") as berta:
        commit = anna._taxonomies.commit

        def late(*args):
            berta.import_classes([given("b")], space="given")
            return commit(*args)

        monkeypatch.setattr(anna._taxonomies, "commit", late)
        anna.import_classes([given("a")], space="given")
        for catalog in (anna, berta):
            assert [(entry.by, entry.classes) for entry in catalog.classes.log()] == [
                ("berta", ("b",)),
                ("anna", ("a",)),
            ]
            newer, older = (entry.revision for entry in catalog.classes.log())
            assert older < newer
            assert catalog.classes.at(older).ids() == ["a"]


def test_a_change_made_while_another_looks_for_changes_refuses_that_one(server, monkeypatch):
    with opened(server, "looking", "anna") as anna, opened(server, "looking", "berta") as berta:
        berta.import_classes([given("first")], space="given")
        every = anna._state.every

        def late(kind, **options):
            if kind == "change_open" and (mine := every(kind, **options)):
                monkeypatch.setattr(anna._state, "every", every)
                anna._state.delete(kind, [one.name for one in mine])  # as if it were not to be seen yet
                berta.import_classes([given("b")], space="given")
                anna._state.put(*mine)
            return every(kind, **options)

        monkeypatch.setattr(anna._state, "every", late)
        with pytest.raises(TaxonomyError, match="changed after revision"):
            anna.import_classes([given("a")], space="given")
        assert set(berta.classes.taxonomy.ids()) == {"first", "b"}


def opened(uri, catalog, author):
    return Catalog.open(settings=Settings(uri=uri, catalog=catalog, author=author))


def given(class_id):
    return ClassSpec(class_id, class_id, vector=(1.0, 0.5, float(len(class_id))))
