"""Who may call: keys, scopes, sessions, and what a browser sends for another site."""

import itertools

import pytest

from nearclass.serve.keys import Keys, Scope
from nearclass.store.state import State

OPEN = {"/healthz", "/readyz"}


@pytest.fixture
def keys(catalog):
    return Keys(State(catalog.store, catalog.settings.catalog), shared=False)


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def operations(client):
    for path, methods in client.get("/v1/openapi.json").json()["paths"].items():
        for method in methods:
            yield (
                method.upper(),
                path.replace("{item_id}", "x")
                .replace("{class_id}", "x")
                .replace("{job_id}", "x")
                .replace("{key_id}", "x"),
            )


def test_without_a_key_every_operation_but_health_answers_401(serving):
    client = serving(keys=True)
    found = list(operations(client))
    assert len(found) > 30
    for method, path in found:
        answer = client.request(method, path)
        if path in OPEN:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["type"] == "urn:nearclass:problem:unauthenticated"


def test_a_scope_allows_what_is_below_it_and_nothing_above(serving, keys):
    given = {scope: keys.add(scope.value, scope)[1] for scope in Scope}
    client = serving(keys=True)
    calls = {
        Scope.READ: lambda headers: client.post("/v1/assign", json={"texts": ["kettle"]}, headers=headers),
        Scope.INGEST: lambda headers: client.post("/v1/items/delete", json={"ids": ["x"]}, headers=headers),
        Scope.ADMIN: lambda headers: client.get("/v1/keys", headers=headers),
    }
    for (have, text), (wanted, call) in itertools.product(given.items(), calls.items()):
        answer = call(bearer(text))
        assert answer.status_code == (200 if have.allows(wanted) else 403), (have, wanted)
        if not have.allows(wanted):
            assert answer.json()["type"] == "urn:nearclass:problem:forbidden"


def test_a_key_is_kept_as_a_digest_only(serving, keys, catalog):
    _, text = keys.add("reviewers", Scope.INGEST)
    assert text.startswith("nc_")
    secret = text.split("_", 2)[2]
    assert len(secret) >= 43  # 32 bytes in base64
    for document in State(catalog.store, catalog.settings.catalog).every("api_key"):
        assert secret not in str(document.body)


def test_wrong_expired_and_revoked_keys_are_refused_alike(serving, keys, catalog):
    key, text = keys.add("ends", days=1)
    client = serving(keys=True)
    assert client.get("/v1/whoami", headers=bearer(text)).status_code == 200
    late = Keys(State(catalog.store, catalog.settings.catalog), shared=False, clock=lambda: key.created_at + 86_401.0)
    late.refresh()
    assert late.find(text) is None
    bodies = set()
    client.service.keys.revoke(key.id)
    for wrong in (text, text[:-1] + "x", "nc_00000000_x", "nc", "", "nc_", f"nc_{key.id}_", "x" * 5000):
        answer = client.get("/v1/whoami", headers=bearer(wrong))
        assert answer.status_code == 401, wrong[:20]
        bodies.add(answer.json()["detail"])
    assert len(bodies) == 1


def test_keys_are_made_listed_and_revoked_over_http_by_who_may(serving, keys):
    client = serving(keys=True)
    _, admin = keys.add("me", Scope.ADMIN)
    client.service.keys._read()
    made = client.post("/v1/keys", json={"name": "robot", "scope": "ingest", "days": 30}, headers=bearer(admin))
    assert made.status_code == 201
    text = made.json()["key"]
    assert client.get("/v1/whoami", headers=bearer(text)).json()["name"] == "robot"
    listed = client.get("/v1/keys", headers=bearer(admin))
    assert text not in listed.text
    assert client.delete(f"/v1/keys/{made.json()['id']}", headers=bearer(admin)).status_code == 200
    assert client.get("/v1/whoami", headers=bearer(text)).status_code == 401
    assert client.delete("/v1/keys/none", headers=bearer(admin)).status_code == 404


def test_a_session_of_the_page_reads_and_writes_only_with_its_token(serving, keys):
    key, _ = keys.add("reviewer", Scope.INGEST)
    client = serving(keys=True)
    cookie = client.service.sessions.start(key.id)
    client.cookies.set("nearclass_session", cookie)
    assert client.get("/v1/whoami").json()["name"] == "reviewer"
    body = {"ids": ["x"]}
    assert client.post("/v1/items/delete", json=body).json()["type"] == "urn:nearclass:problem:cross-site"
    token = {"X-CSRF-Token": client.service.sessions.token(cookie)}
    assert client.post("/v1/items/delete", json=body, headers=token).status_code == 200
    other = {"X-CSRF-Token": client.service.sessions.token("another")}
    assert client.post("/v1/items/delete", json=body, headers=other).status_code == 403
    client.service.keys.revoke(key.id)
    assert client.get("/v1/whoami").status_code == 401


def test_a_cookie_that_was_not_signed_here_is_none(serving, keys):
    key, _ = keys.add("reviewer")
    client = serving(keys=True)
    made = client.service.sessions.start(key.id)
    for cookie in (made + "0", made.replace(".", ".9", 1), made[:-1], "a.b.c.d", "x", "..."):
        client.cookies.set("nearclass_session", cookie)
        assert client.get("/v1/whoami").status_code == 401, cookie


def test_a_session_ends_after_a_working_day():
    from nearclass.serve.sessions import SESSION_S, Sessions

    now = [1000.0]
    sessions = Sessions(clock=lambda: now[0])
    cookie = sessions.start("abc")
    assert sessions.key_id(cookie) == "abc"
    now[0] += SESSION_S + 1
    assert sessions.key_id(cookie) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_without_keys_no_other_site_can_write_through_the_browser(client, headers):
    answer = client.post("/v1/items/delete", json={"ids": ["x"]}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:nearclass:problem:cross-site")


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8000"}, {"Host": "localhost:8000"}]
)
def test_without_keys_the_own_page_and_programs_can(client, headers):
    assert client.post("/v1/items/delete", json={"ids": ["x"]}, headers=headers).status_code == 200


def test_every_answer_has_the_headers_that_keep_a_browser_in_bounds(client):
    for answer in (client.get("/healthz"), client.get("/nowhere"), client.post("/v1/assign", json={})):
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_other_origins_get_no_permission(client):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/assign", headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_is_not_looked_at_for_somebody_without_a_key(serving):
    client = serving(keys=True)
    for path in ("/v1/assign", "/v1/assign/picture", "/v1/items"):
        answer = client.post(path, content=b"{" * 100, headers={"Content-Type": "application/json"})
        assert answer.status_code == 401
