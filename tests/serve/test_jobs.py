"""/v1/jobs: long work, one job at a time, that a restart does not forget."""

import threading
import time

import pytest

from nearclass.serve.api.rows import JobRow
from nearclass.serve.job import Control, JobState
from nearclass.serve.jobs import Jobs
from nearclass.serve.problems import Problem
from nearclass.store.state import State


def ended(client, answer, state="done"):
    assert answer.status_code == 202, answer.text
    at = answer.headers["location"]
    for _ in range(600):
        job = client.get(at).json()
        JobRow.model_validate(job, strict=True)
        if job["state"] not in {"running", "cancelling"}:
            assert job["state"] == state, job
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def until(true):
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError


LABELLED = [{"title": f"{word} number {n}", "label": word} for word in ("kettles", "spades") for n in range(6)]


def test_labelled_items_are_measured(client):
    rows = [*LABELLED, {"title": "something", "oos": True}, {"title": "x", "label": "no such class"}]
    job = ended(client, client.post("/v1/jobs/evaluate", json={"labelled": rows}))
    assert (job["result"]["n"], job["result"]["n_oos"]) == (12, 1)
    assert [(one["index"], one["code"]) for one in job["result"]["errors"]] == [(13, "unknown_label")]


def test_learning_and_answering_anew_are_jobs(client):
    client.post("/v1/items", json={"items": [{"id": str(n), "title": f"kettle {n}"} for n in range(30)]})
    job = ended(client, client.post("/v1/jobs/learn", json={"labelled": LABELLED}))
    assert job["result"]
    client.post("/v1/taxonomy/retire", json={"class": "kettles"})
    job = ended(client, client.post("/v1/jobs/reassign"))
    assert (job["result"]["changed"], job["done"], job["steps"]) == (30, 30, 30)
    assert client.get("/v1/items/0").json()["class_id"] != "kettles"


def test_discovery_proposes_and_a_proposal_becomes_a_class(client):
    rows = [{"id": str(n), "title": f"acoustic guitar with six strings, model {n}"} for n in range(12)]
    client.post("/v1/items", json={"items": rows})
    job = ended(client, client.post("/v1/jobs/discover", json={"min_size": 5, "weakest": 1.0, "review": True}))
    assert job["result"]["proposals"]
    made = ended(client, client.post("/v1/jobs/accept", json={"number": 1, "name": "Guitars"}))
    assert made["result"]["id"] == "guitars"


def started(client, **body):
    return client.post("/v1/jobs/reembed", json=body)


def test_the_catalogue_moves_to_another_encoder_and_back_over_http(client, tiny_model):
    client.post("/v1/items", json={"items": [{"id": str(n), "title": f"kettle {n}"} for n in range(40)]})
    move, serving = client.service.catalog.reembedding, client.get("/v1/reembed").json()["serving"]
    assert client.get("/v1/reembed").json()["step"] == "none"

    def cut_off(what, done, of):  # a caller names no folder, so the move to one is begun here
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move.run(str(tiny_model), on_progress=cut_off)
    job = started(client, step="run", rate=1).json()
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelling"
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled")
    assert client.get("/v1/reembed").json()["step"] == "filling"

    filled = ended(client, started(client, step="run"))
    assert (filled["result"]["items"], filled["doing"]) == (40, "answers")
    assert client.get("/v1/reembed").json()["next"].startswith("nearclass reembed swap")
    swapped = ended(client, started(client, step="swap"))["result"]
    assert (swapped["step"], swapped["other"]) == ("swapped", serving)
    answer = client.post("/v1/assign", json={"texts": ["kettle"]}).json()["assignments"][0]
    assert answer["space"] == swapped["serving"] != serving
    assert ended(client, started(client, step="rollback"))["result"]["serving"] == serving
    assert client.post("/v1/assign", json={"texts": ["kettle"]}).json()["assignments"][0]["space"] == serving


def test_a_move_that_cannot_be_made_is_refused(client, tiny_model):
    for folder in (str(tiny_model), f"local-dir:{tiny_model}"):
        assert "folder" in ended(client, started(client, step="plan", encoder=folder), "failed")["error"]
    assert "already" in ended(client, started(client, step="plan", encoder="minilm"), "failed")["error"]
    assert "no move" in ended(client, started(client, step="swap"), "failed")["error"]
    for body in ({"step": "plan"}, {"step": "swap", "encoder": "minilm"}, {"step": "drop", "rate": 3}, {"step": "x"}):
        assert started(client, **body).status_code == 422


def test_a_cancel_takes_effect_before_anything_is_stored(client, monkeypatch):
    client.post("/v1/items", json={"items": [{"id": str(n), "title": f"kettle {n}"} for n in range(30)]})
    seen = []

    def cancelled(control, doing, done, steps):
        seen.append(doing)
        control.cancel()
        told(control, doing, done, steps)

    told = Control.at
    monkeypatch.setattr(Control, "at", cancelled)
    for kind, body in (
        ("learn", {"labelled": LABELLED}),
        ("calibrate", {"labelled": LABELLED, "precision": 0.9}),
        ("evaluate", {"labelled": LABELLED}),
        ("discover", {"weakest": 1.0}),
        ("reassign", None),
    ):
        ended(client, client.post(f"/v1/jobs/{kind}", json=body), "cancelled")
    assert seen == ["labels", "items", "items", "classes", "items"]
    assert client.service.catalog.learning.versions() == []


def test_a_job_that_fails_says_why(client):
    job = ended(client, client.post("/v1/jobs/calibrate", json={"labelled": LABELLED, "precision": 0.9}), "failed")
    assert "label" in job["error"]


def test_one_job_runs_at_a_time_and_can_be_cancelled_at_a_step(client):
    go_on = threading.Event()

    def work(control):
        for _ in range(1000):
            control.step(1, 1000)
            go_on.wait(0.01)

    job = client.service.jobs.start("slow", "me", work)
    other = client.post("/v1/jobs/evaluate", json={"labelled": LABELLED})
    assert (other.status_code, other.json()["type"]) == (409, "urn:nearclass:problem:job-running")
    assert other.json()["job"] == job.id
    assert client.get("/v1/jobs").json()[0]["state"] == "running"
    assert "nearclass_jobs_running 1.0" in client.get("/metrics").text
    assert client.post(f"/v1/jobs/{job.id}/cancel").json()["state"] == "cancelling"
    for _ in range(100):
        if (seen := client.get(f"/v1/jobs/{job.id}").json())["state"] == "cancelled":
            break
        time.sleep(0.02)
    assert seen["state"] == "cancelled"
    assert 0 < seen["done"] < 1000
    assert client.get("/v1/audit").json()["entries"][0]["action"] == "jobs.cancel"
    assert client.get("/v1/jobs/none").status_code == 404
    ended(client, client.post("/v1/jobs/evaluate", json={"labelled": LABELLED}))


def test_a_restart_says_what_was_interrupted(catalog):
    state = State(catalog.store, "default")
    gone = Jobs(state, shared=False)
    hold = threading.Event()
    job = gone.start("learn", "me", lambda _: hold.wait(30))
    after = Jobs(state, shared=False)
    after.take_up()
    assert after.get(job.id).state is JobState.INTERRUPTED
    hold.set()
    gone.stop(5)


def test_a_stop_ends_the_job_at_its_next_step_as_interrupted(serving):
    client = serving()

    def work(control):
        while True:
            control.step()
            time.sleep(0.01)

    job = client.service.jobs.start("slow", "me", work)
    client.service.jobs.stop(10)
    assert client.service.jobs.get(job.id).state is JobState.INTERRUPTED
    with pytest.raises(Problem, match="about to stop"):
        client.service.jobs.start("another", "me", work)


def test_on_a_shared_store_the_job_of_another_process_counts_while_it_is_heard_of(catalog):
    state, now = State(catalog.store, "default"), [1000.0]
    one, two = (Jobs(state, shared=True, clock=lambda: now[0]) for _ in range(2))
    hold = threading.Event()
    job = one.start("learn", "me", lambda _: hold.wait(30))
    with pytest.raises(Problem, match=job.id):
        two.start("learn", "you", lambda _: None)
    two.take_up()
    assert two.get(job.id).state is JobState.RUNNING
    now[0] += 100
    two.take_up()
    assert two.get(job.id).state is JobState.INTERRUPTED
    hold.set()
    one.stop(5)


def test_a_long_result_is_kept_whole(catalog):
    jobs = Jobs(State(catalog.store, "default"), shared=False)
    long = {"rows": ["é" * 50] * 3000}
    job = jobs.start("long", "me", lambda _: long)
    for _ in range(200):
        if jobs.get(job.id).state is JobState.DONE:
            break
        time.sleep(0.02)
    assert jobs.get(job.id).result == long
