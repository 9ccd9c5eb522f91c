"""Files that are broken in all the ways that files are: every row comes out, as a row or with a reason."""

import codecs
import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from nearclass.ingest.sources import BadRow, RawRow

BOM8, BOM16, BOM32 = codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE
GOOD = b'{"id": 1, "title": "a"}\n'
OK = "ok"
BIG = 17 << 20


def deep(levels: int) -> bytes:
    return b'{"id": ' + b"[" * levels + b"]" * levels + b"}\n"


CASES: dict[str, tuple[str, bytes, list[str]]] = {
    # JSON lines
    "an empty file": ("a.jsonl", b"", []),
    "only blank lines": ("a.jsonl", b"\n\r\n  \n\t\n", []),
    "no newline at the end": ("a.jsonl", GOOD.strip(), [OK]),
    "a byte order mark": ("a.jsonl", BOM8 + GOOD, [OK]),
    "only a byte order mark": ("a.jsonl", BOM8, []),
    "UTF-16 little-endian": ("a.jsonl", BOM16 + (GOOD * 3).decode().encode("utf-16-le"), [OK] * 3),
    "UTF-16 big-endian": ("a.jsonl", codecs.BOM_UTF16_BE + GOOD.decode().encode("utf-16-be"), [OK]),
    "UTF-16 without a mark": ("a.jsonl", (GOOD * 2).decode().encode("utf-16-le"), [OK, OK]),
    "UTF-16 cut in a character": (
        "a.jsonl",
        BOM16 + (GOOD * 2).decode().encode("utf-16-le") + b"x",
        [OK, OK, "bad_encoding"],
    ),
    "UTF-16 with a lone surrogate": (
        "a.jsonl",
        BOM16 + GOOD.decode().encode("utf-16-le") + '{"id": "\ud800"}\n'.encode("utf-16-le", "surrogatepass"),
        [OK, "bad_encoding"],
    ),
    "UTF-32": ("a.jsonl", BOM32 + GOOD.decode().encode("utf-32-le"), [OK]),
    "line ends of Windows": ("a.jsonl", GOOD.replace(b"\n", b"\r\n") * 2, [OK, OK]),
    "line ends of old Macs": ("a.jsonl", GOOD.replace(b"\n", b"\r") * 2, [OK, OK]),
    "mixed line ends": ("a.jsonl", b"\r".join([GOOD, GOOD.strip(), b"\n" + GOOD.strip(), b""]), [OK] * 3),
    "a line that is not JSON": ("a.jsonl", GOOD + b"{id: 1}\n" + GOOD, [OK, "bad_json", OK]),
    "an unfinished line": ("a.jsonl", GOOD + b'{"id": 1, "ti', [OK, "bad_json"]),
    "two objects on a line": ("a.jsonl", b'{"id": 1} {"id": 2}\n', ["bad_json"]),
    "lines that are no objects": (
        "a.jsonl",
        GOOD + b'1\n"a"\nnull\n[1]\ntrue\n',
        [OK, *["not_an_object"] * 5],
    ),
    "a Latin-1 line": ("a.jsonl", GOOD + b'{"id": "caf\xe9"}\n' + GOOD, [OK, "bad_encoding", OK]),
    "overlong UTF-8": ("a.jsonl", b'{"id": "\xc0\xaf"}\n', ["bad_encoding"]),
    "UTF-8 of a surrogate": ("a.jsonl", b'{"id": "\xed\xa0\x80"}\n', ["bad_encoding"]),
    "a NUL inside a string": ("a.jsonl", b'{"id": "a\x00b"}\n', [OK]),
    "a NUL outside of a string": ("a.jsonl", b'{"id": 1}\x00\n', ["bad_json"]),
    "a tab inside a string": ("a.jsonl", b'{"id": "a\tb"}\n', [OK]),
    "an escaped lone surrogate": ("a.jsonl", b'{"id": "\\ud800"}\n', [OK]),
    "NaN and Infinity": ("a.jsonl", b'{"id": 1, "x": NaN, "y": -Infinity}\n', [OK]),
    "a number beyond a double": ("a.jsonl", b'{"id": 1e400}\n', [OK]),
    "a huge integer": ("a.jsonl", b'{"id": ' + b"9" * 400 + b"}\n", [OK]),
    "an integer of too many digits": ("a.jsonl", b'{"id": ' + b"9" * 5000 + b"}\n", ["bad_json"]),
    "nesting of 100 levels": ("a.jsonl", deep(100), [OK]),
    "nesting of 100000 levels": ("a.jsonl", deep(100_000), ["bad_json"]),
    "duplicate keys": ("a.jsonl", b'{"id": 1, "id": 2}\n', [OK]),
    "an empty object": ("a.jsonl", b"{}\n", [OK]),
    "Unicode line separators inside": (
        "a.jsonl",
        '{"id": "a\u2028b\u0085c\x0bd"}\n'.encode() + GOOD,
        [OK, OK],
    ),
    "right-to-left and joined emoji": ("a.jsonl", '{"id": "\u202eשל 👩‍👩‍👧‍👦"}\n'.encode(), [OK]),
    "a line of 17 MiB": (
        "a.jsonl",
        GOOD + b'{"id": "' + b"x" * BIG + b'"}\n' + GOOD,
        [OK, "row_too_large", OK],
    ),
    "a last line of 17 MiB": ("a.jsonl", GOOD + b"x" * BIG, [OK, "row_too_large"]),
    "a list in a file of lines": ("a.jsonl", b'[{"id": 1},\n {"id": 2}]', [OK, OK]),
    "a list line before objects": ("a.jsonl", b'[1, 2]\n{"id": 1}\n', ["not_an_object"] * 2 + [OK]),
    # JSON
    "a list": ("a.json", b'[{"id": 1}, {"id": "]},{[\\""}]', [OK, OK]),
    "an empty list": ("a.json", b" [ ] ", []),
    "an empty JSON file": ("a.json", b"", []),
    "a list with a mark": ("a.json", BOM8 + b'[{"id": 1}]', [OK]),
    "a list in UTF-16": ("a.json", BOM16 + '[{"id": "é"}]'.encode("utf-16-le"), [OK]),
    "a list that ends too early": ("a.json", b'[{"id": 1}, {"id": 2}', [OK, "truncated_file"]),
    "a list that ends in a string": ("a.json", b'[{"id": 1}, {"id": "2', [OK, "truncated_file"]),
    "a broken element": ("a.json", b'[{"id": 1}, {"id": nope}, {"id": 3}]', [OK, "bad_json", OK]),
    "a missing element": ("a.json", b'[{"id": 1},, {"id": 3},]', [OK, "bad_json", OK]),
    "elements that are no objects": (
        "a.json",
        b'[1, "a,b", null, [2, 3], {"id": 1}]',
        ["not_an_object"] * 4 + [OK],
    ),
    "an element in Latin-1": ("a.json", b'[{"id": "caf\xe9"}, {"id": 2}]', ["bad_encoding", OK]),
    "an element of 17 MiB": ("a.json", b'[{"id": "' + b"x" * BIG + b'"}, {"id": 2}]', ["row_too_large", OK]),
    "one object over several lines": ("a.json", b'{\n "id": 1\n}\n', [OK]),
    "objects one after the other": ("a.json", b'{\n "id": 1\n}{\n "id": 2\n},\n{\n"id": 3}', [OK, OK, OK]),
    "lines under the name of JSON": ("a.json", GOOD + b"nope\n" + GOOD, [OK, "bad_json", OK]),
    "text after a list": ("a.json", b'[{"id": 1}]\nthe end\n', [OK, "bad_json"]),
    "a stray bracket": ("a.json", b'[{"id": 1}, }, {"id": 2}]', [OK, "bad_json", OK]),
    # CSV
    "an empty table": ("a.csv", b"", []),
    "a header only": ("a.csv", b"id,title\n", []),
    "a header without an end": ("a.csv", b"id,title", []),
    "a plain table": ("a.csv", b"id,title\n1,a\n2,b", [OK, OK]),
    "a table with a mark": ("a.csv", BOM8 + b"id,title\r\n1,a\r\n", [OK]),
    "a table in UTF-16": ("a.csv", BOM16 + "id,title\r\n1,é\r\n".encode("utf-16-le"), [OK]),
    "a table of old Macs": ("a.csv", b"id,title\r1,a\r2,b\r", [OK, OK]),
    "blank lines in a table": ("a.csv", b"\n\nid,title\n\n1,a\n  \n2,b\n\n", [OK, OK]),
    "quoted newlines and quotes": ("a.csv", b'id,title\n1,"a\nb\r\n""c"""\n2,d\n', [OK, OK]),
    "too few fields": ("a.csv", b"id,title\n1\n2,b\n", ["ragged_row", OK]),
    "too many fields": ("a.csv", b"id,title\n1,a,b\n2,b\n", ["ragged_row", OK]),
    "a row of nothing but commas": ("a.csv", b"id,title\n,\n", [OK]),
    "text after a quote": ("a.csv", b'id,title\n1,"a"b\n2,c\n', ["bad_quoting", OK]),
    "a quote that stays open": ("a.csv", b'id,title\n1,"a\n2,b\n3,c\n', ["bad_quoting", OK, OK]),
    "a quote open until the next": ("a.csv", b'id,title\n1,"a\n2,"b"\n3,c\n', ["bad_quoting", OK, OK]),
    "a NUL in a table": ("a.csv", b"id,title\n1,a\x00b\n", [OK]),
    "a table with a Latin-1 row": ("a.csv", b"id,title\n1,caf\xe9\n2,b\n", ["bad_encoding", OK]),
    "a Latin-1 row in quotes": ("a.csv", b'id,title\n1,"a\ncaf\xe9"\n2,b\n', ["bad_encoding", OK]),
    "a cell of 17 MiB": ("a.csv", b"id,title\n1," + b"x" * BIG + b"\n2,b\n", ["row_too_large", OK]),
    "a cell of 1 MiB": ("a.csv", b"id,title\n1," + b"x" * (1 << 20) + b"\n2,b\n", [OK, OK]),
    "semicolons": ("a.csv", b"id;title\n1;a,b\n", [OK]),
    "the first line of Excel": ("a.csv", b"sep=;\nid;title\n1;a\n", [OK]),
    "one column": ("a.csv", b"title\na\nb\n", [OK, OK]),
    "a column without a name": ("a.csv", b",id\n0,1\n", [OK]),
    "tabs": ("a.tsv", b"id\ttitle\n1\ta\n2\n", [OK, "ragged_row"]),
    "a quote for inches in tabs": ("a.tsv", b'id\ttitle\n1\t"Best" 5" pipe\n2\t"b\n3\tc\n', [OK, OK, OK]),
    # text
    "lines of text": ("a.txt", b"red shoes\n\n blue \r\nlast", [OK, OK, OK]),
    "a line of text in Latin-1": ("a.txt", b"red\ncaf\xe9\n", [OK, "bad_encoding"]),
    "a line of text of 17 MiB": ("a.txt", b"x" * BIG + b"\nred\n", ["row_too_large", OK]),
    "NULs in text": ("a.txt", b"\x00\x00\n", [OK]),
    # gzip
    "gzip": ("a.jsonl.gz", gzip.compress(GOOD * 3), [OK] * 3),
    "gzip under another name": ("a.jsonl", gzip.compress(GOOD), [OK]),
    "no gzip in spite of the name": ("a.jsonl.gz", GOOD, [OK]),
    "gzip in several parts": ("a.csv.gz", gzip.compress(b"id,ti") + gzip.compress(b"tle\n1,a\n"), [OK]),
    "gzip with zeros after it": ("a.jsonl.gz", gzip.compress(GOOD) + bytes(512), [OK]),
    "gzip with something after it": ("a.jsonl.gz", gzip.compress(GOOD) + b"something", [OK, "damaged_file"]),
    "an empty gzip": ("a.jsonl.gz", gzip.compress(b""), []),
    "gzip of a list": ("a.json.gz", gzip.compress(b'[{"id": 1}, {"id": 2}]'), [OK, OK]),
    "gzip of a table in UTF-16": (
        "a.csv.gz",
        gzip.compress(BOM16 + "id,title\n1,é\n".encode("utf-16-le")),
        [OK],
    ),
    "a gzip bomb": ("a.jsonl.gz", gzip.compress(b"x" * (64 << 20), 9), ["row_too_large"]),
    "a gzip bomb of blank lines": ("a.jsonl.gz", gzip.compress(b"\n" * (2 << 20) + GOOD, 9), [OK]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_row_comes_out_as_a_row_or_with_a_reason(
    case: str, write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow | BadRow]]
) -> None:
    name, data, expected = CASES[case]
    found = read(write(name, data))
    assert [row.code if isinstance(row, BadRow) else OK for row in found] == expected
    for row in found:
        if isinstance(row, BadRow):
            assert row.message
            assert len(row.raw if isinstance(row.raw, str) else json.dumps(row.raw)) <= 40_000


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.json.gz", "a.txt.gz", "a.xml.gz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
def test_a_truncated_gzip_gives_its_rows_and_one_bad_row(
    name: str, share: float, write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow | BadRow]]
) -> None:
    objects = [{"id": str(number), "title": f"{number * 7919 % 1_000_003:x}"} for number in range(6_000)]
    lines = "".join(json.dumps(one) + "\n" for one in objects)
    item = "<item><id>{id}</id><title>{title}</title></item>\n"
    text = {
        "a.jsonl.gz": lines,
        "a.txt.gz": lines,
        "a.json.gz": json.dumps(objects),
        "a.csv.gz": "id,title\n" + "".join(f"{one['id']},{one['title']}\n" for one in objects),
        "a.xml.gz": "<rss>" + "".join(item.format(**one) for one in objects) + "</rss>",
    }[name]
    packed = gzip.compress(text.encode())
    found = read(write(name, packed[: int(len(packed) * share)]))
    assert len(found) > 500
    assert all(isinstance(row, RawRow) for row in found[:-1])
    assert isinstance(found[-1], BadRow)
    assert found[-1].code == "truncated_file"


def test_damage_inside_a_gzip_ends_it_with_one_bad_row(
    write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow | BadRow]]
) -> None:
    packed = bytearray(gzip.compress(b"".join(b'{"id": %d}\n' % (n * 7919 % 99_991) for n in range(50_000))))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = zlib.compress(b"noise" * 20)[:50].ljust(50, b"\xff")
    found = read(write("a.jsonl.gz", bytes(packed)))
    assert [row.code for row in found if isinstance(row, BadRow)][-1] == "damaged_file"
    assert len(found) > 500


def test_line_numbers_count_quoted_newlines(
    write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow]]
) -> None:
    found = read(write("a.csv", b'\nid,title\n1,"a\n\nb"\n\n2,c\n3\n4,"d\r\n"\n5,e\n'))
    assert [row.line for row in found] == [3, 7, 8, 9, 11]


def test_line_numbers_count_inside_of_json(
    write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow]]
) -> None:
    found = read(write("a.json", b'[\n{"id":\n1}\n,\n\n{"id": 2}, {"id":\n3},\n4]'))
    assert [row.line for row in found] == [2, 6, 6, 8]


def test_a_named_encoding_is_used(write: Callable[[str, bytes], str], read: Callable[..., list[RawRow]]) -> None:
    [row] = read(write("a.csv", "id,title\n1,café €\n".encode("cp1252")), encoding="windows-1252")
    assert row.values == {"id": "1", "title": "café €"}
    [row] = read(write("b.txt", "日本語\n".encode("shift_jis")), encoding="shift_jis")
    assert row.values == {"text": "日本語"}


def test_bytes_that_a_named_encoding_lacks_make_their_line_bad(
    write: Callable[[str, bytes], str], read: Callable[..., list[RawRow | BadRow]]
) -> None:
    found = read(write("a.txt", b"good\nbad \x81\ngood\n"), encoding="cp1252")
    assert [isinstance(row, RawRow) for row in found] == [True, False, True]


def test_values_are_kept_as_they_were(write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow]]) -> None:
    text = b'{"id": 123456789012345678901234567890, "n": {"a": [99999999999999999999]}, "x": -1e300, "f": 1.5}\n'
    [row] = read(write("a.jsonl", text))
    assert row.values == {
        "id": 123456789012345678901234567890,
        "n": {"a": [99999999999999999999]},
        "x": -1e300,
        "f": 1.5,
    }


def test_dates_and_zeros_in_tables_stay_text(
    write: Callable[[str, bytes], str], read: Callable[[str], list[RawRow]]
) -> None:
    [row] = read(write("a.csv", b"id,code\n2024-01-02,007\n"))
    assert row.values == {"id": "2024-01-02", "code": "007"}
