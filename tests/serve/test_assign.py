"""POST /v1/assign: the same answers as the command, also of many callers at once."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import orjson
import pytest
from PIL import Image

from nearclass.serve.api.rows import AnswersRow
from nearclass.store import Store


def plain(value):
    return orjson.loads(orjson.dumps(value))


def test_an_answer_is_the_row_that_the_catalogue_gives(client, catalog):
    expected = plain(asdict(catalog.assign("Boils water for your tea")[0]))
    answer = client.post("/v1/assign", json={"texts": ["Boils water for your tea"], "explain": True})
    assert answer.status_code == 200
    assert answer.json() == {"assignments": [expected], "errors": []}


def test_the_rule_and_the_fit_are_for_those_who_ask_why(client):
    row = client.post("/v1/assign", json={"texts": ["Boils water"]}).json()["assignments"][0]
    assert "rule" not in row
    assert "fit" not in row
    assert row["evidence"]


def test_answers_hold_what_the_document_says(client):
    body = client.post("/v1/assign", json={"texts": ["Boils water", "A spade"], "explain": True}).json()
    AnswersRow.model_validate(body, strict=True)


def test_answers_come_in_the_order_of_the_items_with_their_ids(client):
    items = [{"id": f"sku-{number}", "title": text} for number, text in enumerate(["Spade", "Kettle", "Laptop"])]
    rows = client.post("/v1/assign", json={"items": items, "k": 1}).json()["assignments"]
    assert [row["id"] for row in rows] == ["sku-0", "sku-1", "sku-2"]
    assert [row["candidates"][0]["class_id"] for row in rows] == ["spades", "kettles", "laptops"]
    assert all(len(row["candidates"]) == 1 for row in rows)


def test_many_callers_are_answered_together_and_each_gets_its_own(client, catalog):
    texts = [f"{kind} number {number}" for number in range(8) for kind in ("kettle", "spade", "laptop", "boots")]
    expected = {text: catalog.assign(text)[0].candidates[0].class_id for text in texts}

    def ask(text):
        return client.post("/v1/assign", json={"texts": [text]}).json()["assignments"][0]

    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(ask, texts))
    assert [row["candidates"][0]["class_id"] for row in rows] == [expected[text] for text in texts]
    sizes = client.service.metrics.registry.get_sample_value("nearclass_batch_items_count")
    assert sizes < len(texts)


def test_one_item_that_cannot_be_read_leaves_the_others_answered(client):
    items = [{"id": "a", "title": "Kettle"}, {"id": "b", "image": "https://example.org/b.jpg"}]
    body = client.post("/v1/assign", json={"items": items}).json()
    assert [row["id"] for row in body["assignments"]] == ["a"]
    assert [(one["index"], one["id"], one["code"]) for one in body["errors"]] == [(1, "b", "no_image_encoder")]


def test_an_answer_that_needs_nothing_new_asks_the_embedded_database_nothing(client, monkeypatch):
    client.post("/v1/assign", json={"texts": ["kettle"]})
    asked = []
    read = Store.query
    monkeypatch.setattr(Store, "query", lambda self, *args, **given: asked.append(args) or read(self, *args, **given))
    assert client.post("/v1/assign", json={"texts": ["kettle"]}).status_code == 200
    assert asked == []


def jpeg(colour):
    out = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def seeing(serving, open_catalog, encoder, image_encoder, shop, tmp_path):
    from nearclass import Catalog, Settings

    with Catalog.open(
        settings=Settings(uri=str(tmp_path / "seen.db")), encoder=encoder, image_encoder=image_encoder
    ) as opened:
        opened.import_classes(shop)
        yield serving(opened, picture_folder=tmp_path / "kept")


def test_a_picture_that_is_sent_is_looked_at_and_not_kept(seeing, tmp_path):
    data = "data:image/jpeg;base64," + base64.b64encode(jpeg("red")).decode()
    body = seeing.post("/v1/assign", json={"items": [{"id": "p", "image": data}]}).json()
    assert "image" in body["assignments"][0]["space"] or body["assignments"][0]["space"]
    again = seeing.post("/v1/assign/picture", files={"picture": ("red.jpg", jpeg("red"), "image/jpeg")})
    assert again.json()["assignments"][0]["candidates"] == body["assignments"][0]["candidates"]
    assert not list(seeing.service.uploads._folder.rglob("*"))


def test_a_stored_picture_is_kept_and_shown_again_made_anew(seeing, tmp_path):
    data = "data:image/jpeg;base64," + base64.b64encode(jpeg("blue")).decode()
    done = seeing.post("/v1/items", json={"items": [{"id": "p/1", "title": "Boots", "image": data}]})
    assert done.json()["ok"] == 1
    shown = seeing.get("/v1/pictures/p/1?size=20")
    assert shown.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(shown.content)).size == (20, 20)


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.jpg", "file:///etc/passwd", "C:\\secret.jpg", "photo.jpg"])
def test_no_file_of_the_server_is_read_for_a_caller(seeing, path):
    for answer in (
        seeing.post("/v1/assign", json={"items": [{"id": "p", "image": path}]}),
        seeing.post("/v1/search", json={"image": path}),
        seeing.post("/v1/items", json={"items": [{"id": "p", "image": path}]}),
    ):
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:nearclass:problem:validation"


def test_what_is_no_picture_is_a_problem_with_its_code(seeing):
    answer = seeing.post("/v1/assign/picture", files={"picture": ("a.jpg", b"no picture", "image/jpeg")})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_picture")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"texts": []},
        {"texts": [""]},
        {"texts": ["x"] * 257},
        {"texts": ["é" * 16_001]},
        {"texts": ["x"], "k": 0},
        {"texts": ["x"], "k": 101},
        {"texts": ["x"], "items": [{"title": "x"}]},
        {"items": [{"id": "a"}]},
        {"texts": ["x"], "unknown": 1},
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(client, body):
    answer = client.post("/v1/assign", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["at"].startswith("body")


def test_a_body_that_is_no_json_is_malformed(client):
    for content in (b"{", b'{"texts": ["\\ud800"]}', b'{"texts": [NaN]}', b"\xff\xfe", b"[" * 5000):
        answer = client.post("/v1/assign", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:nearclass:problem:malformed"), content[:20]


def test_a_body_that_is_too_long_is_not_read(serving):
    client = serving(max_body_bytes=1000)
    long = b'{"texts": ["' + b"x" * 2000 + b'"]}'
    assert client.post("/v1/assign", content=long, headers={"Content-Type": "application/json"}).status_code == 413
    # Also where nothing says how long it is.
    parts = (long[start : start + 100] for start in range(0, len(long), 100))
    assert client.post("/v1/assign", content=parts, headers={"Content-Type": "application/json"}).status_code == 413


def test_a_catalogue_without_classes_says_so(serving, open_catalog):
    client = serving(open_catalog(catalog="empty"))
    answer = client.post("/v1/assign", json={"texts": ["kettle"]})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:nearclass:problem:empty-taxonomy")
    assert answer.json()["hint"]
