"""The document of the API is committed, so that a change of the contract is seen in review."""

import json
from pathlib import Path

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_that_of_the_service(client):
    """After a wanted change: ``python -m nearclass.serve.document > docs/openapi.json``."""
    document = client.get("/v1/openapi.json").json()
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document


def test_every_operation_says_what_it_does_and_which_problems_there_are(client):
    document = client.get("/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            if path not in {"/healthz", "/readyz"}:
                assert {"401", "403", "422", "503"} <= set(operation["responses"]), path
                assert operation["security"], path
