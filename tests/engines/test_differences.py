"""The published differences between the engines are those that there are."""

import itertools

import differences
import pytest

from nearclass.schemas.collections import CollectionSpec, FieldSpec, FieldType
from nearclass.store import Store
from nearclass.store.connection import import_client
from nearclass.store.layout import schema_of

SPEC = CollectionSpec(
    "probe", differences.DIM, (FieldSpec("name", FieldType.TEXT, 40), FieldSpec("rank", FieldType.INT))
)

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.slow)])
def engine(request, tmp_path_factory):
    """Name of an engine, and a client of it."""
    uri = (
        request.getfixturevalue("milvus") if request.param == "server" else str(tmp_path_factory.mktemp("lite") / "db")
    )
    with Store.open(uri) as store:
        yield request.param, store._session._client


@pytest.fixture(scope="module")
def _made(engine):
    """Collections that are ready to be probed."""
    return []


@pytest.fixture
def collection(engine, _made):
    """An empty collection with an index, as the client makes it by default; a server takes 3 s to make one."""
    _, client = engine
    name = _made.pop() if _made else create(*engine)
    yield name
    if client.has_collection(name, timeout=60) and client.list_indexes(name, timeout=60):
        client.delete(name, filter='key >= ""', timeout=60)
        _made.append(name)


def create(engine, client):
    name = f"probe{next(_numbers)}"
    client.create_collection(name, schema=schema_of(SPEC), timeout=60)
    parameters = import_client().prepare_index_params()
    parameters.add_index("vector", index_type="FLAT" if engine == "lite" else "AUTOINDEX", metric_type="IP")
    client.create_index(name, parameters, timeout=60, sync=False)
    client.load_collection(name, timeout=60)
    return name


@pytest.mark.parametrize("difference", differences.DIFFERENCES, ids=lambda one: one.probe.__name__)
def test_an_engine_does_what_the_page_says(engine, collection, difference):
    name, client = engine
    assert difference.probe(client, collection) == getattr(difference, name)


def test_the_page_is_up_to_date():
    assert differences.PAGE.read_text(encoding="utf-8") == differences.page()
