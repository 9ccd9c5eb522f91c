"""The API under requests that nobody would write: no failure of the service, no status that is not documented."""

import os

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from thorough import times

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", times(4, 40)))
"""Requests of each operation."""

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def send(client, case):
    made = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url).rstrip("/"))).prepare()
    return client.request(made.method, made.url, content=made.body, headers=dict(made.headers))


@pytest.fixture
def fuzz(serving):
    """Sends made-up requests of every operation, and hands each answer to a check."""

    def run(client, check, examples=EXAMPLES):
        schema = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
        count = 0
        for result in schema.get_all_operations():
            operation = result.ok()

            @hypothesis.settings(
                max_examples=examples, database=None, derandomize=True,
                suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
            )  # fmt: skip
            @hypothesis.given(case=operation.as_strategy())
            def ask(case):
                nonlocal count
                count += 1
                check(client, case)

            ask()
        return count

    return run


@pytest.mark.slow
def test_no_request_makes_the_service_fail_or_answer_what_is_not_documented(fuzz, client):
    client.post("/v1/items", json={"items": [{"id": "a", "title": "kettle"}]})
    wrong = []

    def check(client, case):
        answer = send(client, case)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as found:
            wrong.append(
                (case.method, case.path, case.query, case.body, answer.status_code, answer.text[:300], str(found)[:600])
            )

    assert fuzz(client, check) > 100
    assert not wrong


def test_without_a_key_no_request_gets_further(fuzz, serving):
    client = serving(keys=True)

    def check(client, case):
        answer = send(client, case)
        assert answer.status_code == 401 or case.operation.path in {"/healthz", "/readyz"}, case

    fuzz(client, check, examples=2)
