"""The service in this process, with the real encoder and a catalogue of its own."""

import pytest
from starlette.testclient import TestClient

from nearclass.serve.app import create_app
from nearclass.serve.options import ServiceOptions


@pytest.fixture
def serving(request):
    """Starts the service on the shop; by default without keys."""
    started = []

    def start(on=None, **options):
        app = create_app(on or request.getfixturevalue("catalog"), ServiceOptions(**{"keys": False, **options}))
        client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        client.__enter__()
        client.service = app.state.service
        started.append(client)
        return client

    yield start
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serving):
    """The service on the shop, which needs no keys."""
    return serving()
