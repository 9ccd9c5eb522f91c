"""Two processes that change the classes of one catalogue on a server: no change is lost, none is made unseen."""

import json
import subprocess
import sys

import pytest

from nearclass import Catalog, Settings

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
