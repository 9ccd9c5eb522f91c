"""What the command says before any event: wrong URLs, missing clients, brokers that are away; and how Kafka counts."""

import sys

import pytest

from nearclass.cli.app import run
from nearclass.ingest.worker.brokers import shown

WORKER = ["--uri", "w.db", "worker", "--listen", "off"]


@pytest.fixture(autouse=True)
def _database(_shop_database, tmp_path):
    import shutil

    shutil.copytree(_shop_database, tmp_path / "w.db")


@pytest.fixture(autouse=True)
def _no_model(monkeypatch):
    monkeypatch.setattr("nearclass.catalog.Catalog.warm_up", lambda _: None)


def test_a_broker_must_be_named(capsys):
    assert run(WORKER) == 2
    assert "nearclass worker redis://localhost:6379" in capsys.readouterr().err


def test_an_unknown_scheme_is_refused_and_the_password_not_shown(capsys):
    assert run([*WORKER, "sqs://me:s3cret@queue"]) == 2
    said = capsys.readouterr().err
    assert "the scheme is 'sqs'" in said
    assert "redis://" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("redis://127.0.0.1:1", "redis", "worker"),
        ("nats://127.0.0.1:1", "nats", "worker-nats"),
        ("kafka://127.0.0.1:1", "kafka", "worker-kafka"),
        ("amqp://127.0.0.1:1", "rabbit", "worker-rabbit"),
    ],
)
def test_a_client_that_is_not_installed_is_said_with_what_to_type(capsys, monkeypatch, url, module, extra):
    monkeypatch.delitem(sys.modules, f"nearclass.ingest.worker.brokers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "faststream", None)
    monkeypatch.setitem(sys.modules, f"faststream.{module}", None)
    assert run([*WORKER, url]) == 2
    assert f"pip install 'nearclass[{extra}]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["redis", "nats", "amqp"])
def test_a_broker_that_is_away_at_the_start_is_said(capsys, monkeypatch, name):
    monkeypatch.setenv("NEARCLASS_BROKER_URL", f"{name}://me:s3cret@127.0.0.1:1")
    assert run(WORKER) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "s3cret" not in said


def test_a_place_to_listen_must_be_one(capsys):
    assert run(["--uri", "w.db", "worker", "redis://127.0.0.1:1", "--listen", "nowhere"]) == 2
    assert "'nowhere' is not host:port" in capsys.readouterr().err


def test_the_password_of_a_broker_is_a_secret(capsys, monkeypatch):
    monkeypatch.setenv("NEARCLASS_BROKER_URL", "redis://me:s3cret@queue")
    assert run(["config", "show"]) == 0
    assert "s3cret" not in capsys.readouterr().out
    assert shown("redis://me:s3cret@queue:1") == "redis://**********@queue:1"


def test_kafka_is_told_of_the_first_offset_that_is_not_done():
    pytest.importorskip("aiokafka")
    from nearclass.ingest.worker.brokers.kafka import Offsets

    offsets = Offsets()
    for number in (5, 6, 7):
        offsets.taken("a", number)
    offsets.taken("b", 3)
    offsets.done("a", 7)
    offsets.done("a", 5)
    offsets.done("c", 1)
    assert offsets.committable() == {"a": 6, "b": 3}
    offsets.done("a", 6)
    offsets.done("b", 3)
    assert offsets.committable() == {"a": 8, "b": 4}
    offsets.forget(["a"])
    assert offsets.committable() == {"b": 4}
