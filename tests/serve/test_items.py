"""/v1/items: stored, found again, confirmed, removed; and nothing twice."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import orjson
import pytest

from nearclass.errors import StoreWriteError
from nearclass.ingest.items import ItemWriter
from nearclass.serve.api.rows import FoundPage, WrittenRow


def items(count, kind="kettle"):
    return [
        {"id": f"{kind}/{number}", "title": f"{kind} {number}", "attributes": {"price": number}}
        for number in range(count)
    ]


def test_items_are_stored_and_assigned_when_the_answer_comes(client, catalog):
    answer = client.post("/v1/items", json={"items": items(3)})
    assert answer.status_code == 200
    WrittenRow.model_validate(answer.json(), strict=True)
    assert (answer.json()["read"], answer.json()["ok"], answer.json()["unchanged"]) == (3, 3, 0)
    shown = client.get("/v1/items/kettle/1").json()
    assert shown == orjson.loads(orjson.dumps(asdict(catalog.items().get("kettle/1"))))
    assert client.post("/v1/items", json={"items": items(3)}).json()["unchanged"] == 3


def test_an_item_that_is_not_there_is_404(client):
    client.post("/v1/items", json={"items": items(1)})
    answer = client.get("/v1/items/nothing")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:nearclass:problem:item-not-found")


def test_pages_give_every_item_once_whatever_the_limit(client):
    client.post("/v1/items", json={"items": items(23)})
    for limit in (1, 7, 23, 50):
        seen, after = [], None
        while True:
            page = client.get("/v1/items", params={"limit": limit} | ({"cursor": after} if after else {})).json()
            FoundPage.model_validate(page, strict=True)
            seen += [item["id"] for item in page["items"]]
            assert len(page["items"]) <= limit
            after = page["next"]
            if after is None:
                break
        assert sorted(seen) == sorted(item["id"] for item in items(23))


def test_filters_are_typed_and_hold_in_every_page(client):
    client.post("/v1/items", json={"items": items(10) + items(5, "spade")})
    found = client.get("/v1/items", params={"class": "garden"}).json()["items"]
    assert {item["id"] for item in found} <= {item["id"] for item in items(5, "spade")}
    assert len(client.get("/v1/items", params={"where": ["price<3"], "limit": 100}).json()["items"]) == 6
    injected = client.get("/v1/items", params={"where": ['price<3 or item_id != ""']}).json()
    assert injected["items"] == []
    assert client.get("/v1/items", params={"where": ["nonsense"]}).status_code == 422
    assert client.get("/v1/items", params={"class": "no such class"}).status_code == 404


@pytest.mark.parametrize("cursor", ["x", "e30", "W10", "WzAsMV0", "%ff", "a" * 500])
def test_a_cursor_that_was_not_given_here_is_refused(client, cursor):
    assert client.get("/v1/items", params={"cursor": cursor}).status_code == 422


def test_items_are_confirmed_and_the_history_says_who_did_it(client):
    client.post("/v1/items", json={"items": items(2)})
    done = client.post("/v1/items/confirm", json={"ids": ["kettle/0"], "class": "Toasters"})
    assert done.json() == {"class_id": "toasters", "confirmed": 1}
    assert client.get("/v1/items/kettle/0").json()["confirmed_class"] == "toasters"
    assert client.post("/v1/items/unconfirm", json={"ids": ["kettle/0"]}).status_code == 200
    assert client.get("/v1/items/kettle/0").json()["confirmed_class"] is None
    assert client.post("/v1/items/confirm", json={"ids": ["nobody"], "class": "Toasters"}).status_code == 404
    entries = client.get("/v1/audit").json()["entries"]
    assert [entry["action"] for entry in entries] == ["items.unconfirm", "items.confirm"]
    assert (entries[1]["by"], entries[1]["ids"], entries[1]["class_id"]) == ("anybody", ["kettle/0"], "toasters")


def test_an_item_may_come_with_its_confirmed_class(client):
    rows = [{**items(1)[0], "confirmed_class": "Toasters"}, {"id": "b", "title": "b", "confirmed_class": "nothing"}]
    done = client.post("/v1/items", json={"items": rows}).json()
    assert (done["ok"], [one["code"] for one in done["errors"]]) == (1, ["unknown_label"])
    assert client.get("/v1/items/kettle/0").json()["confirmed_class"] == "toasters"


def test_items_are_removed(client):
    client.post("/v1/items", json={"items": items(3)})
    assert client.post("/v1/items/delete", json={"ids": ["kettle/0", "nobody"]}).json() == {"deleted": 1}
    assert client.get("/v1/items/kettle/0").status_code == 404


def test_search_finds_what_is_meant(client):
    client.post("/v1/items", json={"items": items(2) + items(2, "spade")})
    found = client.post("/v1/search", json={"query": "boil water", "k": 2}).json()["items"]
    assert {item["id"] for item in found} == {"kettle/0", "kettle/1"}
    assert found[0]["similarity"] >= found[1]["similarity"]


def test_export_gives_every_item_one_a_line(client):
    client.post("/v1/items", json={"items": items(20)})
    with client.stream("GET", "/v1/export/items") as answer:
        rows = [json.loads(line) for line in answer.iter_lines()]
    assert sorted(row["id"] for row in rows) == sorted(item["id"] for item in items(20))
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_writers_at_the_same_time_each_learn_what_became_of_theirs(client, catalog):
    def write(number):
        rows = [{"id": f"w{number}-{one}", "title": f"kettle {number} {one}"} for one in range(number % 3 + 1)]
        return number, client.post("/v1/items", json={"items": rows}).json()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(16)))
    assert all(done["ok"] == number % 3 + 1 for number, done in found)
    assert catalog.items().count() == sum(number % 3 + 1 for number, _ in found)


def test_nothing_is_acknowledged_that_could_not_be_flushed(client, monkeypatch):
    def broken(_self):
        raise StoreWriteError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ItemWriter, "flush", broken)
        answer = client.post("/v1/items", json={"items": items(1)})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearclass:problem:store-write")
    assert client.post("/v1/items", json={"items": items(1)}).status_code == 200


KEY = {"Idempotency-Key": "order-1"}


def test_a_repeated_write_is_done_once_and_answered_as_before(client):
    first = client.post("/v1/items", json={"items": items(2)}, headers=KEY)
    again = client.post("/v1/items", json={"items": items(2)}, headers=KEY)
    assert (first.json()["ok"], again.json()["ok"]) == (2, 2)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content


def test_the_same_key_with_another_request_is_refused(client):
    client.post("/v1/items", json={"items": items(2)}, headers=KEY)
    other = client.post("/v1/items", json={"items": items(3)}, headers=KEY)
    assert (other.status_code, other.json()["type"]) == (422, "urn:nearclass:problem:key-reused")


def test_a_write_that_failed_can_be_tried_again_with_its_key(client):
    body = {"ids": ["kettle/0"], "class": "Toasters"}
    assert client.post("/v1/items/confirm", json=body, headers=KEY).status_code == 404
    client.post("/v1/items", json={"items": items(1)})
    assert client.post("/v1/items/confirm", json=body, headers=KEY).status_code == 200


def test_replies_outlive_the_process_and_end_after_a_day(serving, catalog):
    first = serving().post("/v1/classes", json={"name": "Lamps"}, headers=KEY)
    restarted = serving()
    again = restarted.post("/v1/classes", json={"name": "Lamps"}, headers=KEY)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    restarted.service.replies._clock = lambda: 4e9
    restarted.service.replies.forget_old()
    assert restarted.post("/v1/classes", json={"name": "Lamps"}, headers=KEY).status_code == 409
