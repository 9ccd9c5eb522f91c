"""Addresses and paths, as users type them."""

from pathlib import Path

import pytest

from nearclass.errors import ConfigError, StoreError
from nearclass.store.location import DirectoryAddress, ServerAddress, locate


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host", ServerAddress("http://host:19530", "host", 19530, "", "")),
        ("http://host:1/", ServerAddress("http://host:1", "host", 1, "", "")),
        ("https://host", ServerAddress("https://host:443", "host", 443, "", "")),
        ("tcp://1.2.3.4:5", ServerAddress("tcp://1.2.3.4:5", "1.2.3.4", 5, "", "")),
        ("http://[::1]:5", ServerAddress("http://[::1]:5", "::1", 5, "", "")),
        ("http://me:p%40ss@host:5/base", ServerAddress("http://host:5", "host", 5, "me:p@ss", "base")),
        ("unix:/tmp/socket", ServerAddress("unix:/tmp/socket", "", 0, "", "")),
        ("HTTP://host:5/x.db", ServerAddress("http://host:5", "host", 5, "", "x.db")),
    ],
)
def test_an_url_is_a_server(uri: str, expected: ServerAddress) -> None:
    assert locate(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        " ",
        "a\0b",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://h?x",
        "localhost:19530",
        "http://[::1",
    ],
)
def test_what_is_neither_url_nor_path_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError):
        locate(uri)


def test_a_password_is_not_repeated_in_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        locate("http://user:secret@host?x=1")
    assert "secret" not in str(caught.value)


def test_a_path_gets_its_suffix(tmp_path: Path) -> None:
    assert locate(str(tmp_path / "new" / "store")) == DirectoryAddress(tmp_path / "new" / "store.db")
    assert locate(str(tmp_path / "store.db")) == DirectoryAddress(tmp_path / "store.db")
    assert locate(str(tmp_path / "v1.2")) == DirectoryAddress(tmp_path / "v1.2.db")


def test_a_directory_that_is_no_database_gets_one_inside(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert locate(str(tmp_path)) == DirectoryAddress(tmp_path / "nearclass.db")
    begun = tmp_path / "begun.db"
    begun.mkdir()
    (begun / "LOCK").touch()
    assert locate(str(begun)) == DirectoryAddress(begun)


def test_a_database_is_recognised_without_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "base" / "collections").mkdir(parents=True)
    assert locate(str(tmp_path / "base")) == DirectoryAddress(tmp_path / "base")


def test_home_and_links_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real.db" / "collections").mkdir(parents=True)
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    assert locate("~/link.db") == DirectoryAddress(tmp_path / "real.db")


def test_a_database_of_the_old_engine_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(StoreError, match=r"old.db is a file: a database of Milvus Lite 2.x"):
        locate(str(tmp_path / "old.db"))
    with pytest.raises(StoreError, match="is a file"):
        locate(str(tmp_path / "old"))
