"""Product feeds: Google Merchant and Shopify."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from nearclass.errors import InputError
from nearclass.ingest.sources import BadRow, MappedRow, RowMapper, open_sources
from nearclass.ingest.sources.shopify import html_text

Write = Callable[[str, bytes], str]
Read = Callable[..., list[Any]]
RSS = '<?xml version="1.0"{}?>\n<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title>'
ITEM = "<item><g:id>1</g:id><title>{}</title></item>"
END = "</channel></rss>"


def feed(*items: str, declaration: str = "") -> bytes:
    return (RSS.format(declaration) + "\n".join(items) + END).encode()


def test_an_rss_feed_gives_its_items(write: Write, read: Read) -> None:
    item = """<item>
      <title>Shoe</title><g:title>Red shoe</g:title><link>https://shop.example/1</link>
      <description><![CDATA[Soft & <b>red</b>]]></description><g:id> sku-1 </g:id>
      <g:image_link>https://shop.example/1.jpg</g:image_link><g:price>9 EUR</g:price>
      <g:additional_image_link>a</g:additional_image_link><g:additional_image_link>b</g:additional_image_link>
      <g:shipping><g:country>DE</g:country><g:price>1 EUR</g:price></g:shipping><g:brand/>
    </item>"""
    [row] = read(write("a.xml", feed(item)))
    assert row.line == 2
    assert row.values["title"] == "Red shoe"
    assert row.values["additional_image_link"] == ["a", "b"]
    assert row.values["shipping"] == {"country": "DE", "price": "1 EUR"}
    [source] = open_sources([row.source])
    mapped = RowMapper(source.kind).map(row)
    assert isinstance(mapped, MappedRow)
    assert (mapped.item.id, mapped.item.title, mapped.item.description, mapped.item.image) == (
        "sku-1",
        "Red shoe",
        "Soft & <b>red</b>",
        "https://shop.example/1.jpg",
    )
    assert "brand" not in mapped.item.attributes


def test_an_atom_feed_gives_its_entries(write: Write, read: Read) -> None:
    text = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
      <entry><g:id>1</g:id><title>a</title><summary>Soft</summary><link href="https://shop.example/1"/></entry>
      <entry><id>2</id><title>b</title>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Very <b>soft</b></div></content>
      </entry></feed>"""
    first, second = read(write("a.xml", text.encode()))
    assert first.values == {"id": "1", "title": "a", "description": "Soft", "link": "https://shop.example/1"}
    assert second.values == {"id": "2", "title": "b", "description": "Very soft"}


XML_CASES: dict[str, tuple[bytes, list[str]]] = {
    "no items": (feed(), []),
    "several items": (feed(*[ITEM] * 3), ["ok"] * 3),
    "a byte order mark": (b"\xef\xbb\xbf" + feed(ITEM), ["ok"]),
    "UTF-16": (
        b"\xff\xfe" + feed(ITEM, declaration=' encoding="utf-16"').decode().encode("utf-16-le"),
        ["ok"],
    ),
    "declared Latin-1": (
        feed(ITEM.format("café"), declaration=' encoding="iso-8859-1"').decode().encode("latin-1"),
        ["ok"],
    ),
    "declared Shift JIS": (
        feed(ITEM.format("日本"), declaration=' encoding="shift_jis"').decode().encode("shift_jis"),
        ["ok"],
    ),
    "undeclared Latin-1": (
        feed(ITEM, ITEM.format("caf\u00e9"), ITEM).decode().encode("latin-1"),
        ["ok", "bad_encoding", "ok"],
    ),
    "control characters": (feed(ITEM.format("a\x0b\x00b"), ITEM), ["ok", "ok"]),
    "entities of HTML": (feed(ITEM.format("a&nbsp;b &eacute; &nonsense; &amp;")), ["ok"]),
    "cut in an item": (feed(ITEM, ITEM)[:-40], ["ok", "truncated_file"]),
    "cut after an item": (feed(ITEM, ITEM)[:-5], ["ok", "ok", "truncated_file"]),
    "a broken tag": (feed(ITEM, "<item><title>a</item>", ITEM), ["ok", "damaged_file"]),
    "a bare ampersand": (feed(ITEM, ITEM.format("a & b"), ITEM), ["ok", "damaged_file"]),
    "an item of 17 MiB": (feed(ITEM.format("x" * (17 << 20)), ITEM), ["row_too_large", "ok"]),
    "a million empty elements": (
        feed("<item>" + "<a/>" * 263_000 + "</item>", ITEM),
        ["row_too_large", "ok"],
    ),
    "an attribute of 40 MiB": (feed(ITEM, '<item a="' + "x" * (40 << 20) + '"/>'), ["ok", "damaged_file"]),
    "deep nesting": (feed("<item>" + "<a>" * 50_000 + "</a>" * 50_000 + "</item>", ITEM), ["ok", "ok"]),
    "an empty feed file": (b"", []),
}


@pytest.mark.parametrize("case", XML_CASES)
def test_every_item_of_a_feed_comes_out(case: str, write: Write, read: Read) -> None:
    data, expected = XML_CASES[case]
    found = read(write("a.xml", data))
    assert [getattr(row, "code", "ok") for row in found] == expected


def test_texts_of_a_feed_are_decoded(write: Write, read: Read) -> None:
    data = XML_CASES["declared Shift JIS"][0]
    assert read(write("a.xml", data))[0].values["title"] == "日本"
    data = XML_CASES["entities of HTML"][0]
    assert read(write("b.xml", data))[0].values["title"] == "a\xa0b é &nonsense; &"
    data = feed(ITEM.format("café")).decode().encode("latin-1")
    assert read(write("c.xml", data), encoding="latin-1")[0].values["title"] == "café"


def test_a_merchant_table_has_the_names_of_the_specification(write: Write, read: Read) -> None:
    text = "id\ttitle\tlink\timage link\tGoogle Product Category\tmy field\n1\ta\tb\tc\tAnimals > Pets\td\n"
    path = write("feed.txt", text.encode())
    [row] = read(path, format="google")
    assert row.values == {
        "id": "1",
        "title": "a",
        "link": "b",
        "image_link": "c",
        "google_product_category": "Animals > Pets",
        "my field": "d",
    }
    [source] = open_sources([path], format="google")
    assert (source.kind, source.format) == ("google_merchant", "tsv")


SHOP = b"""Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Value,Variant SKU,Image Src
red-shoe,Red shoe,"<p>Soft &amp; <b>red</b></p>
<script>alert(1)</script>",Acme,Shoes,"red, soft",8,S8,
red-shoe,,,,,,9,S9,https://shop.example/1.jpg
,,,,,,,,
hat,Hat,,Acme,Hats,,,,
broken,row
hat,,,,,,,H2,
red-shoe,Red again,,,,,,,
"""


def test_the_rows_of_one_shopify_product_become_one(write: Write, read: Read) -> None:
    found = read(write("products.csv", SHOP))
    assert [getattr(row, "code", "ok") for row in found] == ["ok", "ok", "ragged_row", "ok", "ok"]
    product = found[0]
    assert product.line == 2
    assert product.values["Body (HTML)"] == "Soft & red"
    assert (product.values["Variant SKU"], product.values["Image Src"]) == (
        "S8",
        "https://shop.example/1.jpg",
    )
    mapped = RowMapper("shopify_products").map(product)
    assert isinstance(mapped, MappedRow)
    assert (mapped.item.id, mapped.item.title, mapped.item.image) == (
        "red-shoe",
        "Red shoe",
        "https://shop.example/1.jpg",
    )
    empty = RowMapper("shopify_products").map(found[1])
    assert isinstance(empty, BadRow)
    assert empty.code == "missing_id"


def test_a_truncated_shopify_export_keeps_its_last_product(write: Write, read: Read) -> None:
    lines = "".join(f"shoe-{number // 3},Shoe {number * 7919 % 9973},body\n" for number in range(9000))
    packed = gzip.compress(("Handle,Title,Body (HTML)\n" + lines).encode())
    found = read(write("products.csv.gz", packed[: len(packed) // 2]))
    assert [row.values["Handle"] for row in found[:-1]] == [f"shoe-{number}" for number in range(len(found) - 1)]
    assert found[-1].code == "truncated_file"


def test_the_newer_shopify_template_is_known_too(write: Write, read: Read) -> None:
    header = b"Title,URL handle,Description,Option1 name,SKU,Product image URL\n"
    text = header + b"Red,red,<p>Soft</p>,,a,i\n,red,,,b,\n"
    [row] = read(write("products.csv", text))
    mapped = RowMapper("shopify_products").map(row)
    assert isinstance(mapped, MappedRow)
    assert (mapped.item.id, mapped.item.description, mapped.item.image) == ("red", "Soft", "i")


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<a ", "&", "<p", "</", "<a<a", "<p>"])
def test_hostile_html_takes_linear_time(piece: str) -> None:
    assert len(html_text(piece * 200_000)) <= 200_000 * len(piece)


def test_html_that_is_no_markup_stays() -> None:
    assert html_text("5 < 6 and 7 > 3, a <3 b") == "5 < 6 and 7 > 3, a <3 b"


@pytest.mark.parametrize("entity", [b'"aaaaaaaa"', b'SYSTEM "file:///etc/passwd"'])
def test_entities_are_neither_expanded_nor_fetched(entity: bytes, write: Write) -> None:
    data = b"<!DOCTYPE rss [<!ENTITY a %b>]><rss><item><id>&a;&a;</id></item></rss>" % entity
    with pytest.raises(InputError, match="declares entities"):
        list(open_sources([write("a.xml", data)]))
    late = b"<!-- " + b"x" * 70_000 + b" -->" + data
    [source] = open_sources([write("b.xml", late)])
    assert [getattr(row, "code", "ok") for row in source.rows()] == ["damaged_file"]


def test_other_xml_is_refused(write: Write) -> None:
    with pytest.raises(InputError):
        list(open_sources([write("a.xml", b"<products><product/></products>")]))
