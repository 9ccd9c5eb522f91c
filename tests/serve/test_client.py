"""The clients, against a server in a thread of this process that listens on a port."""

import asyncio
import threading
import time

import pytest
import uvicorn

from nearclass import Item
from nearclass.client import AsyncClient, Client, ItemError, ServiceError
from nearclass.serve.app import create_app
from nearclass.serve.options import ServiceOptions
from nearclass.serve.run import _listener


@pytest.fixture
def server(catalog):
    """A service that needs a key, its address and a key of the widest scope."""
    from nearclass.serve.keys import Scope

    options = ServiceOptions(port=0)
    app = create_app(catalog, options)
    _, key = app.state.service.keys.add("test", Scope.ADMIN)
    listener = _listener(options)
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    while not running.started:  # bound is not yet listening
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", key, app.state.service
    running.should_exit = True
    thread.join()
    listener.close()


def items(count):
    return [Item(f"kettle/{number}", title=f"kettle {number}", attributes={"price": number}) for number in range(count)]


def test_a_client_does_what_the_catalogue_does(server, catalog):
    url, key, _ = server
    with Client(url, key) as client:
        texts = ["boils water", "digs the soil"]
        assert client.assign(texts, explain=True) == catalog.assign(texts)
        done = client.ingest(items(5), confirmed={"kettle/0": "Toasters"})
        assert (done.ok, done.errors) == (5, ())
        assert sorted(one.id for one in client.items(limit=2)) == [item.id for item in items(5)]
        assert client.item("kettle/0").confirmed_class == "toasters"
        assert client.search("boil water", k=1, where=["price>3"])[0].id == "kettle/4"
        assert client.confirm(["kettle/1"], "Kettles") == "kettles"
        assert (client.unconfirm(["kettle/1"]), client.delete(["kettle/4"])) == (1, 1)
        assert [row["id"] for row in client.classes(under="garden")] == ["garden", "spades", "hoses"]
        made = client.add_class("Lamps", parent="home", descriptions=["Give light."])
        assert made["change"]["id"] == "home-kitchen/lamps"
        client.edit_class("home-kitchen/lamps", synonyms=["lights"], revision=made["revision"])
        assert client.class_("home-kitchen/lamps")["synonyms"] == ["lights"]
        assert client.change("retire", class_="home-kitchen/lamps", dry_run=True)["dry_run"]
        with pytest.raises(ServiceError, match="revision") as caught:
            client.edit_class("home-kitchen/lamps", synonyms=["x"], revision=1)
        assert (caught.value.status, caught.value.type) == (412, "urn:nearclass:problem:changed-meanwhile")
        job = client.wait(client.start("reassign").id, every_s=0.05)
        assert (job.state, job.doing) == ("done", "items")
        assert client.reembedding()["step"] == "none"


def test_more_items_than_fit_into_a_request_are_asked_in_several(server):
    url, key, _ = server
    with Client(url, key) as client:
        found = client.assign([f"kettle {number}" for number in range(300)], k=1)
    assert len(found) == 300


def test_what_cannot_be_used_stands_in_its_place(server):
    url, key, _ = server
    with Client(url, key) as client:
        good, bad = client.assign([Item("a", text="kettle"), Item("b", image="https://example.org/b.jpg")])
    assert (good.id, bad) == ("a", ItemError(1, "b", "no_image_encoder", bad.message))


def test_a_wrong_key_and_a_dead_service_are_errors_with_a_next_step(server):
    url, _, _ = server
    with Client(url, "nc_0_wrong") as client, pytest.raises(ServiceError, match="API key is needed") as caught:
        client.assign("kettle")
    assert (caught.value.status, bool(caught.value.hint)) == (401, True)
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServiceError, match="does not answer"):
        client.assign("kettle")


def test_a_call_that_was_turned_away_is_made_again_after_the_time_that_was_asked_for(server):
    url, key, service = server
    service.draining = True
    threading.Timer(0.3, lambda: setattr(service, "draining", False)).start()
    with Client(url, key) as client:
        assert client.ingest(items(1)).ok == 1


def test_the_async_client_has_the_same_calls(server):
    url, key, _ = server
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}

    async def work():
        async with AsyncClient(url, key) as client:
            await client.ingest(items(3))
            answers = await asyncio.gather(*(client.assign(f"kettle {number}") for number in range(20)))
            ids = [one.id async for one in client.items(limit=2)]
            classes = [row["id"] async for row in client.classes(under="garden")]
            job = await client.wait((await client.start("reassign")).id, every_s=0.05)
            with pytest.raises(ServiceError):
                await client.item("nothing")
            return answers, ids, classes, job.state

    answers, ids, classes, state = asyncio.run(work())
    assert {answer.candidates[0].class_id for (answer,) in answers} == {"kettles"}
    assert (sorted(ids), classes, state) == ([one.id for one in items(3)], ["garden", "spades", "hoses"], "done")
