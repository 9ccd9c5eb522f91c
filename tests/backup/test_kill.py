"""A restore that is killed at any moment leaves nothing that opens, and the same command goes on with it."""

import contextlib
import random
import signal
import subprocess
import sys
from functools import partialmethod

import pytest
from prepared import Prepared
from thorough import times

from nearclass.backup import writing
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.backup.writing import back_up
from nearclass.errors import StoreError
from nearclass.store import Store
from nearclass.store.copying import CatalogReader

# One line after each page; then it waits for one before it goes on.
CHILD = """
import sys
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.store import Store
def page(rows):
    print(rows, flush=True)
    sys.stdin.readline()
backup = Backup(sys.argv[2])
with Store.open(sys.argv[1]) as store:
    print("open", flush=True)
    restore(store, "shop", backup, page)
"""

FORKED = """
import pyarrow, pymilvus
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.store import Store
def work(database, folder):
    backup = Backup(folder)
    with Store.open(database) as store:
        print("open", flush=True)
        restore(store, "shop", backup)
"""


@pytest.fixture
def pieces(kept, tmp_path, monkeypatch):
    """A backup in many small files, and every row that it holds."""
    monkeypatch.setattr(writing, "FILE_ROWS", 40)
    monkeypatch.setattr(CatalogReader, "pages", partialmethod(CatalogReader.pages, page=40))
    with Store.open(str(kept.database)) as store:
        back_up(store, "shop", tmp_path / "pieces")
        return tmp_path / "pieces", contents(store)


def contents(store):
    reader = CatalogReader(store, "shop")
    return {
        (table.name, row["key"]): {**row, "vector": row["vector"].tobytes()}
        for table in reader.tables() for page in reader.pages(table) for row in page
    }  # fmt: skip


def started(database, folder):
    command = [sys.executable, "-c", CHILD, str(database), str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    return child


def ended(child):
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)


def check_closed(database):
    with Store.open(str(database)) as store, pytest.raises(StoreError, match=r"is not whole|no catalogue 'shop'"):
        CatalogReader(store, "shop")


def test_killed_in_the_middle_it_is_closed_and_goes_on_where_it_was(pieces, tmp_path):
    folder, wanted = pieces
    database = tmp_path / "killed.db"
    for pages in (1, 4):
        child = started(database, folder)
        for _ in range(pages):
            child.stdout.readline()
            child.stdin.write("\n")
            child.stdin.flush()
        child.stdout.readline()
        ended(child)
        check_closed(database)
    written = []
    with Store.open(str(database)) as store:
        upsert = store.upsert
        store.upsert = lambda name, spec, rows: (written.append(name), upsert(name, spec, rows))
        restore(store, "shop", Backup(folder))
        assert contents(store) == wanted
    rows = [name for name in written if not name.endswith("_state")]
    files = list(Backup(folder).manifest.files)
    assert 0 < len(rows) < len([file for file in files if not file.path.startswith("state")])  # not from the start


def test_another_backup_takes_the_place_of_one_that_was_cut_off(pieces, kept, tmp_path):
    folder, _ = pieces
    with Store.open(str(tmp_path / "other.db")) as store:

        def stop(_rows):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            restore(store, "shop", Backup(folder), stop)
        restore(store, "shop", Backup(kept.folder))
        with Store.open(str(kept.database)) as before:
            assert contents(store) == contents(before)


@pytest.fixture
def processes():
    with Prepared(FORKED) as prepared:
        yield prepared


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments_leave_it_empty_closed_or_whole(pieces, processes, tmp_path):
    folder, wanted = pieces
    whole, _ = processes.run(tmp_path / "whole.db", folder)
    moments, kills = random.Random(20261121), times(8, 20)
    for number in range(kills):
        database = tmp_path / f"round{number}.db"
        after = (number + moments.random()) / kills * whole
        processes.run(database, folder, kill_after=after)
        with Store.open(str(database)) as store:
            found = {}
            with contextlib.suppress(StoreError):  # of a catalogue that is not whole
                found = contents(store)
            assert found in ({}, wanted), f"round {number}, killed after {after:.3f} s"
            if not found:
                restore(store, "shop", Backup(folder))
            assert contents(store) == wanted, f"round {number}, killed after {after:.3f} s"
