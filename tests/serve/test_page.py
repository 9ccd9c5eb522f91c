"""The page, in this process: what it shows, what it writes, who may."""

import re
import time

import pytest

from nearclass import Item
from nearclass.schemas.records import Decision
from nearclass.serve.keys import Keys, Scope
from nearclass.store.state import State

HX = {"HX-Request": "true"}
PAGES = (
    "/",
    "/review",
    "/review/groups",
    "/try",
    "/classes",
    "/class?id=kettles",
    "/class/change?act=add",
    "/discover",
)
PAYLOAD = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*1234567}}"
UNCERTAIN = ("steel thing for hot water or bread", "computer or printer, I forgot", "shoes for something")


@pytest.fixture
def stored(catalog):
    """Items of which three are uncertain and two novel, whatever a model thinks of them."""
    catalog.ingest(
        [
            *(Item(f"u{place}", title=title, attributes={"brand": "Acme"}) for place, title in enumerate(UNCERTAIN)),
            Item("n0", title="Labrador puppy"),
            Item("n1", title="A song about the sea"),
            Item("a0", title="Electric kettle 1.7 l"),
        ]
    )
    review = {f"u{place}": (Decision.REVIEW, "") for place in range(3)}
    catalog.items().decide(review | {"n0": (Decision.NOVEL, ""), "n1": (Decision.NOVEL, "")})
    return catalog


@pytest.fixture
def page(stored, serving):
    return serving(stored)


def token(client):
    found = re.search(r'"x-csrf-token": "([0-9a-f]{64})"', client.get("/try").text)
    return {**HX, "X-CSRF-Token": found[1]}


def item_of(html):
    found = re.search(r'name="item" value="([^"]*)"', html)
    return found[1] if found else None


def act(client, what, **fields):
    answer = client.post(f"/review/{what}", data=fields, headers=token(client))
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_page_is_html_with_a_strict_policy_and_nothing_inline(page):
    for path in PAGES:
        answer = page.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        html = answer.text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", html), path
        assert html.count("<h1") == 1, path
        assert '<main id="main"' in html
        assert 'lang="en"' in html


def test_pages_with_their_files_are_small(page):
    html = page.get("/review").text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    assert len(files) == 4
    answers = [page.get(one) for one in files]
    assert all("immutable" in one.headers["cache-control"] for one in answers)
    assert len(html) + sum(len(one.content) for one in answers) < 150_000
    assert page.get("/static/page.css").headers["cache-control"] == "no-cache"
    assert page.get("/static/htmx.LICENSE").status_code == 404
    assert page.get("/static/%2e%2e/app.py").status_code == 404


def test_the_closest_call_comes_first_with_its_candidates_and_evidence(page, stored):
    html = page.get("/review").text
    margins = {one: stored.items().get(one).margin for one in ("u0", "u1", "u2")}
    assert item_of(html) == min(margins, key=margins.get)
    assert len(re.findall(r'data-key="[1-5]"', html)) == 5
    assert html.count('class="evidence"') == 5
    assert "Acme" in html
    assert item_of(page.get("/review?kind=novel").text) in {"n0", "n1"}


def test_a_candidate_that_is_accepted_is_confirmed_audited_and_evidence_at_once(page, stored):
    html = page.get("/review").text
    first = item_of(html)
    html = act(page, "confirm", item=first, **{"class": "kettles"})
    assert stored.items().get(first).confirmed_class == "kettles"
    assert item_of(html) not in {first, None}
    assert "Kettles" in html
    latest = page.service.audit.latest(1)[0][1]
    assert (latest["action"], latest["ids"], latest["class_id"]) == ("review.confirm", [first], "kettles")
    assert latest["by"] == "anybody"
    assert abs(latest["at"] - time.time()) < 60
    near = stored.review.confirmed_near(item_of(html), 3)
    assert [one.id for one in near] == [first]
    titles = page.get("/review").text.split("Like it, and confirmed")[1].split("What comes next")[0]
    assert stored.items().get(first).title in titles


def test_undo_brings_back_what_was_there_step_by_step(page, stored):
    before = {one: stored.items().get(one) for one in ("u0", "u1", "u2", "n0", "n1")}
    shown = []
    html = page.get("/review").text
    for what in ("confirm", "novel", "skip", "novel"):
        shown.append(item_of(html))
        more = {"class": "kettles"} if what == "confirm" else {}
        html = act(page, what, item=shown[-1], **more)
    assert len(set(shown)) == 4
    for item_id in reversed(shown):
        assert item_of(act(page, "undo")) == item_id
    assert {one: stored.items().get(one) for one in before} == before
    assert "nothing to take back" in act(page, "undo")


def test_novel_means_novel_leaves_the_queue_and_stays_away(page, stored):
    first = item_of(page.get("/review").text)
    act(page, "novel", item=first)
    assert stored.items().get(first).decision == "novel"
    queue = page.app.state.desk.reviewing.queue
    queue._kept.forget()
    assert first not in {one.id for one in queue.every()}
    assert page.service.audit.latest(1)[0][1]["action"] == "review.novel"


def test_what_somebody_else_decided_since_is_not_taken_back(page, stored):
    first = item_of(page.get("/review").text)
    act(page, "confirm", item=first, **{"class": "kettles"})
    stored.items().confirm([first], "toasters")
    answer = page.post("/review/undo", data={}, headers=token(page))
    assert answer.status_code == 412
    assert answer.headers["hx-retarget"] == "#notice"
    assert "somebody else" in answer.text
    assert stored.items().get(first).confirmed_class == "toasters"


def test_of_two_processes_that_show_an_item_the_second_does_not_write_over_the_first(page, stored, serving):
    other = serving(stored)  # what one knows of who looks at what, the other does not
    first = item_of(page.get("/review").text)
    assert item_of(other.get("/review").text) == first
    act(page, "confirm", item=first, **{"class": "kettles"})
    html = act(other, "confirm", item=first, **{"class": "toasters"})
    assert "Somebody has decided on that item meanwhile" in html
    assert stored.items().get(first).confirmed_class == "kettles"
    second = item_of(html)
    assert second != first
    act(page, "novel", item=second)
    assert "Somebody has decided" in act(other, "novel", item=second)
    assert "Somebody has decided" in act(other, "confirm", item=second, **{"class": "toasters"})
    assert not stored.items().get(second).confirmed_class
    assert item_of(other.get("/review").text) not in {first, second}
    actions = [body["action"] for _, body in page.service.audit.latest(9) if body["action"].startswith("review")]
    assert actions == ["review.novel", "review.confirm"]
    assert "nothing to take back" in act(other, "undo")


def test_all_can_be_reviewed_and_then_nothing_waits(page):
    html = page.get("/review").text
    seen = []
    while (item_id := item_of(html)) is not None:
        seen.append(item_id)
        html = act(page, "confirm", item=item_id, **{"class": "spades"})
    assert sorted(seen) == ["n0", "n1", "u0", "u1", "u2"]
    assert "Nothing waits" in html


def test_a_group_is_accepted_at_once_but_for_what_is_unticked(page, stored):
    answers = stored.items().answers(["u0", "u1", "u2", "n0", "n1"])
    best = {item_id: one.candidates[0].class_id for item_id, one in answers.items()}
    class_id = best["u0"]
    html = page.get("/review/groups").text
    assert f"class={class_id}" in html
    html = page.get("/review/group", params={"class": class_id}).text
    members = re.findall(r'name="items" value="([^"]+)"', html)
    assert sorted(members) == sorted(one for one, to in best.items() if to == class_id)
    answer = page.post("/review/group", data={"class": class_id, "items": ["u0"]}, headers=token(page))
    assert answer.status_code == 200
    assert stored.items().get("u0").confirmed_class == class_id
    assert all(not stored.items().get(one).confirmed_class for one in members if one != "u0")
    act(page, "undo")
    assert not stored.items().get("u0").confirmed_class
    nothing = page.post("/review/group", data={"class": class_id}, headers=token(page))
    assert "Nothing was ticked" in nothing.text


def test_classes_are_found_by_typing_and_branches_open(page):
    html = page.get("/classes/find", params={"q": "kett"}).text
    assert 'data-value="kettles"' in html
    assert "No class" in page.get("/classes/find", params={"q": "zebra"}).text
    assert page.get("/classes/find", params={"q": "x" * 301}).status_code == 422
    assert "Kettles" in page.get("/classes/branch", params={"id": "home"}).text
    assert "Kettles" not in page.get("/classes").text


def until(client, path, wanted, seconds=30):
    for _ in range(seconds * 10):
        html = client.get(path).text
        if wanted in html:
            return html
        time.sleep(0.1)
    raise AssertionError(f"{wanted!r} never stood on {path}:\n{html}")


def test_a_class_shows_its_texts_items_history_and_what_is_near(page):
    html = page.get("/class", params={"id": "kettles"}).text
    for text in ("Appliances that boil water for tea.", "water boiler", "Electric kettle 1.7 l", "import"):
        assert text in html
    near = until(page, "/class/near?id=kettles", "Toasters")
    assert near.index("Toasters") < near.index("Boots") if "Boots" in near else True
    assert page.get("/class", params={"id": "nothing"}).status_code == 404
    until(page, "/classes/health", "</")


def preview(client, **fields):
    return client.post("/class/preview", data=fields, headers=token(client))


def test_a_class_is_added_after_a_look_at_what_would_move(page, stored):
    revision = stored.classes.taxonomy.revision
    fields = {
        "act": "add",
        "revision": revision,
        "name": "Dogs",
        "parent": "",
        "descriptions": "Puppies and dogs.\n\nLabradors.",
        "message": "asked for",
    }
    shown = preview(page, **fields)
    assert shown.status_code == 200, shown.text
    assert "stored items would move" in shown.text
    assert "Labrador puppy" in shown.text
    assert "Dogs" not in [spec.name for spec in stored.classes.taxonomy]
    saved = page.post("/class/save", data=fields, headers=token(page))
    assert saved.status_code == 200, saved.text
    spec = stored.classes.taxonomy.find("Dogs")
    assert spec.descriptions == ("Puppies and dogs.", "Labradors.")
    assert stored.classes.log("dogs")[0].message == "asked for"
    assert "stored items have answers from before" in saved.text


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"act": "edit", "id": "kettles", "name": "Tea kettles", "synonyms": "boiler"}, lambda t: t["kettles"].synonyms == ("boiler",)),
        ({"act": "move", "id": "kettles", "parent": "garden"}, lambda t: t["kettles"].parent_id == "garden"),
        ({"act": "move", "id": "kettles", "parent": ""}, lambda t: t["kettles"].parent_id is None),
        ({"act": "retire", "id": "garden"}, lambda t: not t.is_live("hoses")),
        ({"act": "merge", "id": "kettles", "into": "toasters", "evidence": "true"}, lambda t: t.follow("kettles") == "toasters" and "Kettles" in t["toasters"].synonyms),
        ({"act": "merge", "id": "kettles", "into": "toasters"}, lambda t: t.follow("kettles") == "toasters" and "Kettles" not in t["toasters"].synonyms),
        ({"act": "split", "id": "kettles", "parts": "Glass kettles: of glass\n\nSteel kettles"}, lambda t: len(t.children("kettles")) == 2),
        ({"act": "split", "id": "kettles", "parts": "Glass kettles\nSteel kettles", "retire": "true"}, lambda t: not t.is_live("kettles")),
    ],
)  # fmt: skip
def test_other_changes_go_the_same_way(page, stored, fields, check):
    given = {**fields, "revision": stored.classes.taxonomy.revision}
    assert preview(page, **given).status_code == 200
    assert not check(stored.classes.taxonomy)
    assert page.post("/class/save", data=given, headers=token(page)).status_code == 200
    assert check(stored.classes.taxonomy)
    assert page.get("/class/change", params={"act": fields["act"], "id": fields["id"]}).status_code == 200


def test_a_merge_and_a_split_that_cannot_be_are_refused_on_the_page(page, stored):
    revision = stored.classes.taxonomy.revision
    for fields, said in (
        ({"act": "merge", "id": "kettles", "into": ""}, "choose the class that stays"),
        ({"act": "merge", "id": "home", "into": "kettles"}, "cannot be merged"),
        ({"act": "split", "id": "kettles", "parts": "Only one"}, "two"),
        ({"act": "rollback", "to": revision + 5}, "revision"),
    ):
        answer = preview(page, **fields, revision=revision)
        assert answer.status_code in {404, 409, 422}
        assert said in answer.text
    assert stored.classes.taxonomy.revision == revision


def test_a_split_shows_where_the_items_go(page, stored):
    parts = "Rubber boots: wellingtons for rain\nHiking boots: for mountains"
    shown = preview(page, act="split", id="boots", parts=parts, revision=stored.classes.taxonomy.revision).text
    assert "Rubber boots" in shown
    assert "Its items by their nearest part" in shown
    assert stored.classes.taxonomy.children("boots") == []


def test_the_classes_go_back_to_an_earlier_state_after_a_look(page, stored):
    before = stored.classes.taxonomy
    stored.classes.signed("Ann", "a slip").rename("kettles", "Water kettles")
    stored.classes.signed("Ann").add("Teapots")
    revision = stored.classes.taxonomy.revision
    log = page.get("/classes/log").text
    assert f"act=rollback&amp;to={before.revision}" in log
    assert f"to={revision}" not in log
    form = page.get("/class/change", params={"act": "rollback", "to": before.revision}).text
    assert "a slip" in form
    fields = {"act": "rollback", "to": before.revision, "revision": revision}
    assert "2 classes would be as before" in preview(page, **fields).text
    saved = page.post("/class/save", data=fields, headers=token(page))
    assert f"Back at revision {before.revision}" in " ".join(saved.text.split())
    assert stored.classes.taxonomy["kettles"].name == "Kettles"
    assert not stored.classes.taxonomy.is_live("teapots")


def test_a_change_from_an_older_state_is_refused_kindly_and_says_who_came_first(page, stored):
    revision = stored.classes.taxonomy.revision
    stored.classes.signed("Ann", "was too narrow").rename("kettles", "Water kettles")
    fields = {"act": "edit", "id": "kettles", "name": "Kettle", "revision": revision}
    for path in ("/class/preview", "/class/save"):
        answer = page.post(path, data=fields, headers=token(page))
        assert answer.status_code == 409
        assert "hx-retarget" not in answer.headers
        for text in ("Ann", "was too narrow", "this very class", f"revision {revision + 1}"):
            assert text in answer.text
    assert stored.classes.taxonomy["kettles"].name == "Water kettles"
    assert preview(page, **{**fields, "revision": revision + 1}).status_code == 200


def test_trying_shows_the_answer_and_why_and_stores_nothing(page, stored):
    count = stored.items().count()
    answer = page.post("/try", data={"text": "kettle for tea"}, headers=token(page))
    assert answer.status_code == 200, answer.text
    assert "Kettles" in answer.text
    assert "not probabilities" in answer.text
    assert stored.items().count() == count
    empty = page.post("/try", data={"text": "  "}, headers=token(page))
    assert (empty.status_code, "nothing to look at" in empty.text) == (422, True)


def test_what_came_from_outside_is_text_wherever_it_is_shown(serving, catalog):
    catalog.classes.add(
        PAYLOAD, id=PAYLOAD, descriptions=[PAYLOAD], synonyms=[PAYLOAD], examples=[PAYLOAD], parent="home"
    )
    catalog.ingest([Item(PAYLOAD, title=PAYLOAD, description=PAYLOAD, attributes={PAYLOAD: PAYLOAD})])
    catalog.items().decide({PAYLOAD: (Decision.REVIEW, "")})
    client = serving(catalog)
    shown = [client.get(path, params=params) for path, params in (
        ("/review", {}),
        ("/review/groups", {}),
        ("/review/group", {"class": PAYLOAD}),
        ("/classes/branch", {"id": "home"}),
        ("/classes/find", {"q": "script"}),
        ("/class", {"id": PAYLOAD}),
        ("/class/change", {"act": "edit", "id": PAYLOAD}),
        ("/class/change", {"act": "merge", "id": PAYLOAD}),
        ("/class/change", {"act": "split", "id": PAYLOAD}),
        ("/class/change", {"act": "rollback"}),
        ("/classes/log", {}),
        ("/class", {"id": PAYLOAD + "x"}),
        ("/review", {"kind": PAYLOAD}),
        ("/login", {"next": PAYLOAD}),
    )]  # fmt: skip
    picture = {"picture": (PAYLOAD, b"no picture", "image/png")}
    shown.append(client.post("/try", data={"text": PAYLOAD}, files=picture, headers=token(client)))
    shown.append(client.post("/try", data={"text": PAYLOAD}, headers=token(client)))
    shown.append(preview(client, act="add", name=PAYLOAD, revision=catalog.classes.taxonomy.revision, message=PAYLOAD))
    shown.append(client.post("/review/confirm", data={"item": PAYLOAD, "class": PAYLOAD}, headers=token(client)))
    assert sum("&lt;script&gt;" in one.text for one in shown) >= 9
    for one in shown:
        assert "<script>alert" not in one.text, one.url
        assert "<img src=x" not in one.text, one.url
        assert "8641969" not in one.text, one.url


def test_without_a_token_of_the_session_nothing_is_written(page, stored):
    for headers in (HX, {**HX, "X-CSRF-Token": "0" * 64}, {**token(page), "Sec-Fetch-Site": "cross-site"}):
        answer = page.post("/review/confirm", data={"item": "u0", "class": "kettles"}, headers=headers)
        assert answer.status_code == 403
    assert not stored.items().get("u0").confirmed_class


def test_people_log_in_with_a_key_see_where_they_wanted_to_and_log_out(serving, stored):
    keys = Keys(State(stored.store, stored.settings.catalog), shared=False)
    _, reader = keys.add("a reader", Scope.READ)
    client = serving(stored, keys=True)
    asked = client.get("/review?kind=novel", follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Freview%3Fkind%3Dnovel")
    assert client.get("/review", headers=HX, follow_redirects=False).headers["hx-redirect"] == "/login"
    assert client.post("/login", data={"key": "nc_wrong"}).status_code == 401
    cross = client.post("/login", data={"key": reader}, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    entered = client.post("/login", data={"key": reader, "next": "/review?kind=novel"}, follow_redirects=False)
    assert (entered.status_code, entered.headers["location"]) == (303, "/review?kind=novel")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    html = client.get("/review").text
    assert "a reader" in html
    assert reader not in html
    headers = {**HX, "X-CSRF-Token": re.search(r'"x-csrf-token": "([0-9a-f]{64})"', html)[1]}
    refused = client.post("/review/confirm", data={"item": "u0", "class": "kettles"}, headers=headers)
    assert (refused.status_code, "scope" in refused.text) == (403, True)
    assert client.get("/class/change?act=add").status_code == 403
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", headers=headers).headers["hx-redirect"] == "/login"
    client.cookies.clear()
    assert client.get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    "after", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_logging_in_leads_nowhere_else(serving, stored, after):
    client = serving(stored)
    assert client.get("/login", params={"next": after}, follow_redirects=False).headers["location"] == "/"


def test_the_overview_counts_what_is_stored(page, stored):
    stored.items().confirm(["a0"], "toasters")
    html = until(page, "/overview/figures", "Coverage")
    figures = page.app.state.desk.figures.get(stored.classes.taxonomy.revision)
    assert (figures.items, figures.decisions["review"], figures.decisions["novel"]) == (6, 3, 2)
    assert (figures.confirmed, figures.judged, figures.right) == (1, 1, 0)
    assert figures.below["home"] >= 1
    assert figures.pairs == [("kettles", "toasters", 1)]
    assert "not calibrated yet" in html
    assert "A map needs a dozen items" in until(page, "/map", "map needs")


def test_the_map_has_a_point_for_each_item_and_says_what_it_is(serving, catalog):
    catalog.ingest(
        [Item(f"i{place}", title=f"{kind} number {place}") for place, kind in enumerate(["kettle", "boot", "hose"] * 5)]
    )
    catalog.items().decide({"i0": (Decision.NOVEL, "")})
    client = serving(catalog)
    html = until(client, "/map", "<canvas", 60)
    answer = client.get("/map/points").json()
    assert len(answer["points"]) == 15
    assert sum(point[3] for point in answer["points"]) == 1
    assert all(0 <= value <= 1000 for point in answer["points"] for value in point[:2])
    of = re.search(r'data-of="([^"]+)"', html)[1]
    assert "number" in client.get("/map/item", params={"n": 3, "of": of}).text
    assert client.get("/map/item", params={"n": 3, "of": "older"}).status_code == 404


def test_new_classes_are_looked_for_and_accepted_with_a_name(serving, catalog):
    dogs = [
        f"{kind} puppy, {age} weeks, vaccinated"
        for kind in ("Labrador", "Beagle", "Poodle", "Collie")
        for age in (8, 9, 10)
    ]
    catalog.ingest([Item(f"d{place}", title=title) for place, title in enumerate(dogs)])
    catalog.items().decide({f"d{place}": (Decision.NOVEL, "") for place in range(len(dogs))})
    client = serving(catalog)
    begun = client.post("/discover", headers=token(client))
    assert begun.status_code == 200, begun.text
    html = until(client, "/discover/proposals", "Look again", 60)
    assert "puppy" in html
    fields = {"number": 1, "name": "Dogs", "parent": ""}
    assert client.post("/discover/accept", data=fields, headers=token(client)).status_code == 200
    html = until(client, "/discover/proposals", "is a class now", 60)
    assert catalog.items().count(class_id="Dogs") > 6
    assert "Dogs" in html


def test_jobs_are_begun_and_shown(page, stored):
    stored.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])
    html = page.get("/jobs").text
    assert re.search(r"Answer 6\s+items anew", html)
    answer = page.post("/jobs/start", data={"kind": "reassign"}, headers=token(page))
    assert answer.status_code == 200
    until(page, "/jobs", "done")
    assert stored.stale_items() == 0
    assert page.post("/jobs/start", data={"kind": "format"}, headers=token(page)).status_code == 422
