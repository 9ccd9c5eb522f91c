"""/v1/classes and /v1/taxonomy: the whole life of classes, tried first, and never over somebody else's change."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nearclass.serve.api.rows import ChangeRow, ClassPage, EntryRow


def test_a_class_that_is_added_is_live_when_the_answer_comes(client):
    body = {"name": "E-readers", "parent": "Computers", "descriptions": ["Devices with e-paper to read books."]}
    answer = client.post("/v1/classes", json=body)
    assert answer.status_code == 201
    ChangeRow.model_validate(answer.json(), strict=True)
    assert (answer.json()["change"]["id"], answer.json()["revision"]) == ("computers/e-readers", 2)
    row = client.post("/v1/assign", json={"texts": ["e-paper device to read books"]}).json()["assignments"][0]
    assert (row["class_id"], row["revision"]) == ("computers/e-readers", 2)
    shown = client.get("/v1/classes/computers/e-readers")
    assert shown.json()["descriptions"] == body["descriptions"]
    assert (shown.json()["items"], shown.headers["etag"]) == (0, '"r2"')


def test_pages_give_every_class_once_parents_first(client, catalog):
    expected = [spec.id for spec in catalog.classes.taxonomy]
    for limit in (1, 5, 13, 100):
        seen, after = [], None
        while True:
            page = client.get("/v1/classes", params={"limit": limit} | ({"cursor": after} if after else {})).json()
            ClassPage.model_validate(page, strict=True)
            seen += [row["id"] for row in page["classes"]]
            after = page["next"]
            if after is None:
                break
        assert seen == expected
    under = client.get("/v1/classes", params={"under": "Garden"}).json()["classes"]
    assert [row["id"] for row in under] == ["garden", "spades", "hoses"]


def test_a_dry_run_says_what_would_move_and_changes_nothing(client, catalog):
    client.post("/v1/items", json={"items": [{"id": "a", "title": "tool to dig the soil"}]})
    answer = client.post("/v1/taxonomy/retire?dry_run=true", json={"class": "Spades"})
    assert answer.status_code == 200
    preview = answer.json()["preview"]
    assert (preview["items"], preview["changed"]) == (1, 1)
    assert (answer.json()["dry_run"], answer.json()["revision"]) == (True, 1)
    assert catalog.classes.taxonomy.is_live("spades")
    assert client.post("/v1/classes?dry_run=true", json={"name": "Lamps"}).status_code == 200
    assert "lamps" not in catalog.classes.taxonomy


def test_a_change_from_an_old_state_is_refused(client):
    tag = client.get("/v1/classes/spades").headers["etag"]
    first = client.patch("/v1/classes/spades", json={"synonyms": ["shovel"]}, headers={"If-Match": tag})
    assert first.status_code == 200
    second = client.patch("/v1/classes/spades", json={"synonyms": ["digger"]}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["type"]) == (412, "urn:nearclass:problem:changed-meanwhile")
    assert client.get("/v1/classes/spades").json()["synonyms"] == ["shovel"]
    newest = {"If-Match": f'"r1", {first.headers["etag"]}'}
    assert client.patch("/v1/classes/spades", json={"synonyms": ["digger"]}, headers=newest).status_code == 200


def test_of_changes_from_one_state_at_the_same_time_one_is_made(client):
    tag = {"If-Match": client.get("/v1/classes").headers["etag"]}

    def edit(number):
        return client.patch("/v1/classes/spades", json={"synonyms": [f"s{number}"]}, headers=tag).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(edit, range(6))) == [200, 412, 412, 412, 412, 412]


def test_what_is_not_named_stays_and_an_empty_list_clears(client):
    client.patch("/v1/classes/kettles", json={"descriptions": ["Boil water."]})
    row = client.get("/v1/classes/kettles").json()
    assert (row["synonyms"], row["descriptions"]) == (["water boiler"], ["Boil water."])
    client.patch("/v1/classes/kettles", json={"synonyms": []})
    assert not client.get("/v1/classes/kettles").json().get("synonyms")
    assert client.patch("/v1/classes/kettles", json={}).status_code == 422


def test_a_taxonomy_lives_through_all_its_changes(client, catalog):
    calls = [
        ("rename", {"class": "tablets", "name": "Tablet computers", "message": "clearer"}),
        ("move", {"class": "printers", "under": "Home & Kitchen"}),
        ("move", {"class": "printers", "under": None}),
        ("split", {"class": "boots", "into": ["Hiking boots: For mountains.", {"name": "Rain boots"}]}),
        ("merge", {"classes": ["spades"], "into": "hoses"}),
        ("retire", {"class": "printers"}),
        ("restore", {"class": "printers"}),
    ]
    for name, body in calls:
        answer = client.post(f"/v1/taxonomy/{name}", json=body)
        assert answer.status_code == 200, (name, answer.text)
    log = client.get("/v1/taxonomy/log?limit=100").json()
    for entry in log:
        EntryRow.model_validate(entry, strict=True)
    assert [entry["command"] for entry in reversed(log)] == ["import", *(name for name, _ in calls)]
    assert (log[-2]["by"], log[-2]["message"]) == ("anybody", "clearer")
    changed = {one["id"] for one in client.get("/v1/taxonomy/diff?from=1").json()["differences"]}
    assert {"tablets", "spades", "boots/hiking-boots"} <= changed
    back = client.post("/v1/taxonomy/rollback", json={"revision": 1})
    assert back.status_code == 200
    assert catalog.classes.taxonomy.path("tablets") == ("Computers", "Tablets")
    assert client.get("/v1/taxonomy/diff?from=999").status_code == 409
    assert client.get("/v1/taxonomy/lint").status_code == 200


def test_rows_of_classes_are_imported_and_bad_ones_named(client):
    rows = [
        {"id": "lamps", "name": "Lamps", "parent": "home"},
        {"id": "x"},
        {"id": "kettles", "name": "Kettles", "parent": "home"},
    ]
    done = client.post("/v1/classes/import", json={"classes": rows}).json()["change"]
    assert (done["added"], done["changed"], len(done["errors"])) == (["lamps"], ["kettles"], 1)


@pytest.mark.parametrize("key", ["images", "image", "Image"])
def test_no_path_of_the_server_comes_in_with_a_class(client, key):
    rows = [{"id": "lamps", "name": "Lamps", key: "/etc/passwd"}]
    imported = client.post("/v1/classes/import", json={"classes": rows})
    assert imported.status_code == 422 or "images" not in client.get("/v1/classes/lamps").json()
    parts = [{"name": "A", key: "/etc/passwd"}, {"name": "B"}]
    assert client.post("/v1/taxonomy/split", json={"class": "boots", "into": parts}).status_code == 422
    assert client.post("/v1/classes", json={"name": "Lamps", key: ["/etc/passwd"]}).status_code == 422


def test_what_the_tree_does_not_allow_is_a_conflict_and_what_is_not_there_is_404(client):
    assert client.post("/v1/classes", json={"name": "Kettles", "id": "kettles"}).status_code == 409
    assert client.post("/v1/classes", json={"name": "x", "parent": "nowhere"}).status_code == 404
    assert client.post("/v1/taxonomy/move", json={"class": "home", "under": "kettles"}).status_code == 409
    assert client.get("/v1/classes/nowhere").json()["type"] == "urn:nearclass:problem:class-not-found"


def test_the_exported_classes_can_be_imported_again(client):
    lines = client.get("/v1/export/classes").text.splitlines()
    assert len(lines) == 13
