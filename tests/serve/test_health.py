"""What watches the service."""

import time

from nearclass.errors import StoreUnavailableError
from nearclass.serve import asgi


def test_a_service_that_has_started_is_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_readiness_says_what_is_missing_and_health_goes_on(client, monkeypatch):
    def gone(*_args, **_kwargs):
        raise StoreUnavailableError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(client.service.catalog, "items", gone)
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, {"store": "StoreUnavailableError"})
    client.service.draining = True
    assert client.get("/readyz").json()["missing"] == {"service": "it is about to stop"}
    assert client.get("/healthz").status_code == 200


def test_a_service_that_is_about_to_stop_turns_requests_away(client):
    client.service.draining = True
    answer = client.post("/v1/assign", json={"texts": ["kettle"]})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearclass:problem:draining")
    assert answer.headers["retry-after"] == "1"


def test_figures_count_answers_by_decision_and_class(client):
    rows = client.post("/v1/assign", json={"texts": ["kettle", "garden spade", "kettles"]}).json()["assignments"]
    client.get("/nowhere")
    text = client.get("/metrics").text
    for decision in {row["decision"] for row in rows}:
        count = sum(row["decision"] == decision for row in rows)
        assert f'nearclass_answers_total{{decision="{decision}"}} {count}.0' in text
    assert 'nearclass_answers_by_class_total{class_id="spades"} 1.0' in text
    assert "nearclass_margin_count 3.0" in text
    assert 'nearclass_requests_total{method="GET",status="404"} 1.0' in text
    assert 'nearclass_queue_items{queue="answers"} 0.0' in text
    assert "nearclass_taxonomy_revision 1.0" in text


def test_a_request_keeps_the_id_that_it_came_with(client):
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client.get("/nowhere", headers={"X-Request-Id": "a\tb c"})
    assert made.headers["x-request-id"] == made.json()["request_id"]
    assert len(made.headers["x-request-id"]) == 32


def test_what_fails_unexpectedly_is_a_problem_and_says_nothing_of_the_item(client, monkeypatch, caplog):
    secret = "SECRET TITLE"

    def broken(*_args, **_kwargs):
        raise RuntimeError(secret)

    monkeypatch.setattr(client.service.catalog, "assign_each", broken)
    answer = client.post("/v1/assign", json={"texts": ["SECRET TITLE"]})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:nearclass:problem:internal")
    assert "SECRET" not in answer.text
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text


def test_no_text_of_an_item_and_no_control_character_is_logged(client, caplog):
    caplog.set_level("DEBUG", logger="nearclass")
    client.post("/v1/items", json={"items": [{"id": "CANARY-ID", "title": "CANARY TITLE"}]})
    client.post("/v1/assign", json={"texts": ["CANARY TEXT"]})
    client.post("/v1/search", json={"query": "CANARY QUERY", "where": ["brand=CANARY"]})
    client.get("/v1/items/a%0d%0aFAKE%1b[31m")
    for canary in ("CANARY TITLE", "CANARY TEXT", "CANARY QUERY", "brand=CANARY"):
        assert canary not in caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name == "nearclass.access"]
    assert any("FAKE" in line for line in lines)
    assert not [line for line in lines if "\r" in line or "\n" in line or "\x1b" in line]


def test_too_many_requests_at_once_are_turned_away_before_they_are_read(serving):
    client = serving(max_requests=0)
    answer = client.post("/v1/assign", json={"texts": ["kettle"]})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearclass:problem:overloaded")
    assert client.get("/healthz").status_code == 200


def test_the_log_counts_those_turned_away_instead_of_naming_each(serving, caplog, monkeypatch):
    monkeypatch.setattr(asgi, "_TOLD_EVERY_S", 0.2)
    caplog.set_level("INFO", logger="nearclass.access")
    client = serving(max_requests=0)
    for _ in range(3):
        client.post("/v1/assign", json={"texts": ["kettle"]})
    found = []
    until = time.monotonic() + 30
    while not found and time.monotonic() < until:
        time.sleep(0.05)
        client.get("/healthz")
        lines = [record.getMessage() for record in caplog.records if record.name == "nearclass.access"]
        found = [line for line in lines if "turned away" in line]
    assert found == ["3 requests were turned away: too many were in progress"]
    assert not [line for line in lines if "/v1/assign" in line]
