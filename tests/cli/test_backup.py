"""nearclass backup and restore, as a user types them."""

import shutil

import pytest


@pytest.fixture(scope="module")
def _backed_up(_stocked, run, tmp_path_factory):
    folder = shutil.copytree(_stocked, tmp_path_factory.mktemp("backed") / "up")
    assert run("items", "confirm", "sku-1001", "--class", "Monitors", cwd=folder).code == 0
    done = run("backup", "safe/monday", cwd=folder)
    assert done.code == 0, done.err
    assert done.row["catalog"] == "default"
    assert done.row["rows"] > 64
    return folder


@pytest.fixture
def backed_up(_backed_up, tmp_path):
    """A folder with a database and a backup of it, to be changed at will."""
    return shutil.copytree(_backed_up, tmp_path / "up")


def test_a_catalogue_comes_back_after_its_database_is_gone(backed_up, run):
    asked = ("assign", "noise-cancelling earbuds", "-o", "jsonl")
    before, items = run(*asked, cwd=backed_up).row, run("items", "list", cwd=backed_up).out
    shutil.rmtree(backed_up / "nearclass.db")
    done = run("restore", "safe/monday", cwd=backed_up)
    assert done.code == 0, done.err
    assert run(*asked, cwd=backed_up).row == before
    assert run("items", "list", cwd=backed_up).out == items


def test_it_may_have_another_name_beside_the_first(backed_up, run):
    done = run("restore", "safe/monday", "--catalog", "copy", cwd=backed_up)
    assert (done.code, done.row["catalog"]) == (0, "copy")
    assert "'default' was restored as 'copy'" in done.err
    assert run("--catalog", "copy", "items", "show", "sku-1001", cwd=backed_up).row["confirmed_class"]
    again = run("restore", "safe/monday", "--catalog", "copy", cwd=backed_up)
    assert again.code == 1
    assert "is not empty" in again.err
    assert "--catalog" in again.err


def test_what_cannot_be_is_said_with_the_next_step(backed_up, run):
    taken = run("backup", "safe/monday", cwd=backed_up)
    assert (taken.code, "is not empty" in taken.err, "next:" in taken.err) == (1, True, True)
    nowhere = run("--uri", "nowhere.db", "backup", "safe/tuesday", cwd=backed_up)
    assert (nowhere.code, "there is no database" in nowhere.err) == (1, True)
    assert not (backed_up / "nowhere.db").exists()
    missing = run("--uri", "new.db", "restore", "safe/sunday", cwd=backed_up)
    assert (missing.code, "no manifest.json" in missing.err) == (1, True)
    assert not (backed_up / "new.db").exists()
    assert run("restore", cwd=backed_up).code == 2


def test_a_damaged_backup_writes_nothing(backed_up, run):
    path = next((backed_up / "safe" / "monday" / "state").iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = run("--uri", "new.db", "restore", "safe/monday", cwd=backed_up)
    assert done.code == 1
    assert "checksum" in done.err
    assert not (backed_up / "new.db").exists()
