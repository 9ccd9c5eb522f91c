"""Which sources there are behind what was typed, and what is refused before any row is read."""

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from nearclass.errors import InputError, UsageError
from nearclass.ingest.sources import RawRow, Source, open_sources

Write = Callable[[str, bytes], str]
GOOD = b'{"id": 1, "title": "a"}\n'


def formats(data: bytes) -> tuple[str, str, int]:
    [source] = open_sources(["-"], stdin=io.BytesIO(data))
    return source.format, source.kind, len(list(source.rows()))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GOOD * 2, ("jsonl", "table", 2)),
        (b" \n" + GOOD, ("jsonl", "table", 1)),
        (b'[{"id": 1}, {"id": 2}]', ("json", "table", 2)),
        (b'{\n "id": 1\n}\n{"id": 2}', ("json", "table", 2)),
        (b"id,title,colour\n1,a,red\n", ("csv", "table", 1)),
        (b"id;title\n1;a\n", ("csv", "table", 1)),
        (b"id\ttitle\n1\ta\n", ("tsv", "table", 1)),
        (b"id,title,link,image link\n1,a,b,c\n", ("csv", "google_merchant", 1)),
        (b"Handle,Title,Body (HTML)\na,b,c\na,,\n", ("csv", "shopify_products", 1)),
        (b"red shoes, size 9\nblue\n", ("text", "table", 2)),
        (b"text\nred\n", ("text", "table", 2)),
        (b"", ("text", "table", 0)),
        (gzip.compress(GOOD, mtime=0), ("jsonl", "table", 1)),
        (b"<rss><channel><item><title>a</title></item></channel></rss>", ("xml", "google_merchant", 1)),
        (b"\xff\xfe" + "id,title\n1,é\n".encode("utf-16-le"), ("csv", "table", 1)),
    ],
)
def test_standard_input_is_known_by_its_first_bytes(data: bytes, expected: tuple[str, str, int]) -> None:
    assert formats(data) == expected


def test_standard_input_has_no_identity_and_is_read_once() -> None:
    [source] = open_sources(["-"], stdin=io.BytesIO(b"red\nblue\n"))
    assert (source.name, source.size, source.identity) == ("<stdin>", None, "")
    assert [row.line for row in source.rows()] == [1, 2]
    with pytest.raises(InputError, match="only once"):
        list(source.rows())
    with pytest.raises(UsageError):
        open_sources(["-", "-"])


def test_the_first_line_is_answered_before_the_second_is_typed() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin, os.fdopen(writer, "wb", buffering=0) as typed:
        typed.write(b"red shoes\n")
        [source] = open_sources(["-"], stdin=stdin)
        rows = source.rows()
        assert next(rows) == RawRow({"text": "red shoes"}, "<stdin>", 1, 0)
        typed.write(b"blue shoes\n")
        assert next(rows) == RawRow({"text": "blue shoes"}, "<stdin>", 2, 1)


def test_a_pipe_with_a_name_is_read_like_standard_input(tmp_path: Path) -> None:
    pipe = tmp_path / "items.csv"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write('id,title\\n1,a\\n')"]):
        [source] = open_sources([str(pipe)])
        assert [row.values for row in source.rows() if isinstance(row, RawRow)] == [{"id": "1", "title": "a"}]


def test_a_folder_is_read_sorted_with_what_is_inside_and_nothing_else(write: Write, tmp_path: Path) -> None:
    for name in [
        "f/b.jsonl",
        "f/a/c.csv",
        "f/z.txt.gz",
        "f/.hidden.csv",
        "f/.git/x.csv",
        "f/readme.md",
        "f/n.py",
    ]:
        write(name, b"id,title\n")
    outside = write("outside.csv", b"id\n1\n")
    Path(tmp_path, "f", "link.csv").symlink_to(outside)
    Path(tmp_path, "f", "loop").symlink_to(tmp_path / "f")
    Path(tmp_path, "f", "inside.jsonl").symlink_to(tmp_path / "f" / "b.jsonl")
    Path(tmp_path, "f", "gone.jsonl").symlink_to(tmp_path / "nowhere")
    names = [Path(source.name).relative_to(tmp_path / "f").as_posix() for source in open_sources([str(tmp_path / "f")])]
    assert names == ["a/c.csv", "b.jsonl", "inside.jsonl", "z.txt.gz"]


def test_paths_keep_their_order(write: Write) -> None:
    paths = [write("b.jsonl", GOOD), write("a.jsonl", GOOD), write("b.jsonl", GOOD)]
    assert [source.name for source in open_sources(paths)] == paths


def test_the_identity_changes_with_the_file(write: Write) -> None:
    path = write("a.jsonl", GOOD)
    [first], [second] = open_sources([path]), open_sources([path])
    assert first.identity == second.identity != ""
    write("a.jsonl", GOOD + GOOD)
    [third] = open_sources([path])
    assert third.identity != first.identity


def test_progress_reaches_the_size(write: Write) -> None:
    for name, data in {"a.jsonl": GOOD * 5000, "a.csv.gz": gzip.compress(b"id\n" + b"1\n" * 9000)}.items():
        [source] = open_sources([write(name, data)])
        steps = [source.bytes_read for _ in source.rows()]
        assert steps == sorted(steps)
        assert source.bytes_read == source.size


@pytest.mark.parametrize(
    ("name", "data", "options", "message", "hint"),
    [
        ("a.csv", b"id,title,id\n", {}, "column 'id' more than once", "Rename"),
        ("a.csv", b'id,"title\n1,2\n', {}, "header cannot be read", "first line"),
        ("a.csv", b"id,caf\xe9\n", {}, "header cannot be read: not valid UTF-8", ""),
        ("a.parquet", b"id,title\n", {}, "not Parquet", "--format"),
        ("a.parquet", b"", {}, "not Parquet", "--format"),
        ("a.parquet.gz", gzip.compress(b"PAR1", mtime=0), {}, "inside gzip", "gunzip"),
        ("a.xlsx", b"PK\x03\x04 some sheet", {}, "which format", "CSV"),
        ("a.zip", b"PK\x03\x04", {}, "which format", "Unpack"),
        ("a.log", b"some words\n", {}, "which format", "--format text"),
        ("a.xml", b"<html><body/></html>", {}, "not a product feed", "RSS"),
        ("a.xml", b"no xml", {}, "cannot be read as a product feed", ""),
        ("a.xml", b'<?xml version="1.0" encoding="latin-9000"?><rss/>', {}, "unknown encoding", ""),
        ("a.csv", b"", {"format": "cvs"}, "unknown format 'cvs'", "csv"),
        ("a.csv", b"", {"encoding": "latin1x"}, "unknown encoding 'latin1x'", "latin-1"),
        ("a.csv", b"", {"encoding": "rot13"}, "unknown encoding", ""),
        ("a.csv", b"", {"encoding": "undefined"}, "unknown encoding", ""),
        ("a.csv", b"", {"encoding": ""}, "unknown encoding", ""),
        ("a.csv", b"", {"encoding": "a\0b"}, "unknown encoding", ""),
    ],
)
def test_what_cannot_be_opened_is_refused_with_what_to_do(
    name: str, data: bytes, options: dict[str, Any], message: str, hint: str, write: Write
) -> None:
    with pytest.raises(InputError) as caught:
        list(open_sources([write(name, data)], **options))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_pattern_stands_for_the_files_that_match_in_order(write: Write, tmp_path: Path) -> None:
    paths = [write(name, b"id\n1\n") for name in ("b.csv", "a.csv", "c.tsv", "[x].csv")]
    assert [one.name for one in open_sources([str(tmp_path / "?.csv")])] == [paths[1], paths[0]]
    assert [one.name for one in open_sources([str(tmp_path / "[x].csv")])] == [paths[3]]  # a file of this very name


def test_missing_paths_are_refused_at_once(write: Write, tmp_path: Path) -> None:
    write("items.csv", b"id\n")
    with pytest.raises(InputError, match="no such file") as caught:
        open_sources([str(tmp_path / "item.csv")])
    assert "items.csv" in caught.value.hint
    with pytest.raises(InputError, match="no such file") as caught:
        open_sources([str(tmp_path / "*.tsv")])
    assert "No file matches" in caught.value.hint
    with pytest.raises(InputError, match="no file in this folder"):
        open_sources([str((tmp_path / "empty").mkdir() or tmp_path / "empty")])
    for path in ["", "a\0b", "x" * 5000, str(tmp_path / "items.csv" / "more")]:
        with pytest.raises(InputError):
            open_sources([path])


def test_a_file_that_may_not_be_read_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.csv", b"id\n1\n")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="Permission denied"):
        list(open_sources([path]))


def test_a_name_that_is_not_text_is_shown_anyway(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl")
    Path(path).write_bytes(GOOD)
    [source] = open_sources([str(tmp_path)])
    assert source.name.endswith("caf\ufffd.jsonl")
    assert len(list(source.rows())) == 1


def test_a_given_format_wins_over_the_name(write: Write) -> None:
    [source] = open_sources([write("a.csv", b"red, blue\ngreen\n")], format="TXT")
    assert [row.values for row in source.rows() if isinstance(row, RawRow)] == [
        {"text": "red, blue"},
        {"text": "green"},
    ]


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    files.pipe({"/shop/b.jsonl": GOOD * 2, "/shop/a/a.csv.gz": gzip.compress(b"id,title\n1,a\n"), "/shop/x.py": b""})
    yield files
    files.rm("/shop", recursive=True)


@pytest.mark.usefixtures("memory")
def test_addresses_of_files_and_folders_are_read() -> None:
    [one] = open_sources(["memory://shop/b.jsonl"])
    assert (one.name, one.size, len(list(one.rows())), one.bytes_read) == ("memory://shop/b.jsonl", 48, 2, 48)
    assert one.identity
    several: list[Source] = list(open_sources(["memory://shop"]))
    assert [len(list(source.rows())) for source in several] == [1, 2]


def test_addresses_that_cannot_be_opened_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        list(open_sources(["memory://nowhere/a.csv"]))
    with pytest.raises(InputError) as caught:
        open_sources(["foo://shop/a.csv"])
    assert "s3://" in caught.value.hint
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError) as caught:
        open_sources(["s3://key:secret@shop/a.csv?sig=secret"])
    assert "pip install s3fs" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_local_address_is_a_path(write: Write) -> None:
    path = write("a.jsonl", GOOD)
    [source] = open_sources([f"file://{path}"])
    assert source.name == path


def test_opening_imports_neither_pyarrow_nor_fsspec() -> None:
    code = (
        "import sys, io; from nearclass.ingest.sources import open_sources;"
        "[list(s.rows()) for s in open_sources(['-'], stdin=io.BytesIO(b'red'))];"
        "sys.exit(len({'pyarrow', 'fsspec', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
