"""Shards with everything in them that a plain run has to do with, and catalogues to compare."""

import shutil

import pytest

from nearclass import Catalog, Settings
from nearclass.distribution import Sharing
from nearclass.ingest.distributed.engines import ThisProcess

from .comparing import write_shards


@pytest.fixture
def shards(tmp_path):
    return write_shards(tmp_path / "shards")


@pytest.fixture
def here():
    """Shares work out to this very process."""
    return Sharing(ThisProcess())


@pytest.fixture
def shop_at(_shop_database, tmp_path):
    """Opens copies of a catalogue with classes, whose encoder other processes find by its name."""
    opened = []

    def open_(name, **settings):
        path = tmp_path / f"{name}.db"
        if not path.exists():
            shutil.copytree(_shop_database, path)
        catalog = Catalog.open(settings=Settings(uri=str(path), precision="float32", threads=1, **settings))
        opened.append(catalog)
        return catalog

    yield open_
    for catalog in opened:
        catalog.close()
