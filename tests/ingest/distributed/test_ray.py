"""Real processes of Ray on this machine: the same rows bit by bit, kills that cost nothing, nothing that listens."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from nearclass.distribution import Sharing
from nearclass.errors import NearclassError
from nearclass.ingest.distributed import ray_engine
from nearclass.ingest.distributed.ray_engine import RayEngine

from .comparing import check_same, row, stored

pytest.importorskip("ray", reason="Ray is not installed: pip install 'nearclass[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

COMMAND = [sys.executable, "-m", "nearclass"]


@pytest.fixture(scope="module")
def ray():
    """One Ray for the module, as a run on its own starts it."""
    with ray_engine._session(ray_engine.LOCAL) as started:
        yield started


def many(folder, files, rows):
    folder.mkdir()
    for n in range(files):
        (folder / f"{n:02}.jsonl").write_text("".join(json.dumps(row(n * rows + at)) + "\n" for at in range(rows)))
    return folder


def test_rows_and_vectors_are_those_of_the_plain_way_bit_by_bit(ray, shop_at, tmp_path):
    folder = str(many(tmp_path / "many", 4, 30))
    Path(folder, "02.jsonl").write_text("{broken\n" + json.dumps(row(70)) + "\n" + json.dumps({"title": "no id"}))
    plain, shared = shop_at("plain"), shop_at("shared")
    wanted = plain.ingest([folder], rejects="plain.rejects")
    sharing = Sharing(RayEngine(actors=2, threads=1))
    assert shared.ingest([folder], rejects="shared.rejects", sharing=sharing) == wanted
    assert (wanted.ok, wanted.rejected) == (91, 2)
    check_same(stored(shared), stored(plain))
    assert Path("shared.rejects").read_bytes() == Path("plain.rejects").read_bytes()


def test_an_actor_that_is_killed_is_started_again(ray, shop_at, tmp_path):
    shared, killed = shop_at("shared"), []

    def kill(_progress):
        if not killed:
            actors = [
                one for one in psutil.Process().children(recursive=True) if "MapWorker" in " ".join(one.cmdline())
            ]
            killed.append(actors[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    folder = many(tmp_path / "many", 5, 40)
    counts = shared.ingest([str(folder)], sharing=Sharing(RayEngine(actors=1, threads=1)), on_progress=kill)
    assert killed
    assert counts.ok == shared.items().count() == 200


@pytest.mark.parametrize(("late", "started"), [(0, 1), (2, 3), (3, 3)])
def test_a_ray_that_is_late_is_started_again_and_one_that_never_comes_is_an_error(late, started):
    calls = []

    def init(**_):
        calls.append("init")
        if calls.count("init") <= late:
            raise Exception("The current node timed out during startup.")  # of this very kind

    ray = SimpleNamespace(
        init=init,
        shutdown=lambda: calls.append("shutdown"),
        _private=SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=True)),
    )
    with pytest.raises(NearclassError, match="timed out") if late == 3 else nullcontext():
        ray_engine._start(ray, ray_engine.LOCAL)
    assert (calls.count("init"), calls.count("shutdown")) == (started, late)


def test_an_error_of_a_shard_ends_the_run_with_its_message(ray, shop_at, tmp_path):
    folder, shared = many(tmp_path / "many", 2, 5), shop_at("shared")

    class Gone(RayEngine):
        def each(self, work, tasks):
            (folder / "01.jsonl").write_text(json.dumps(row(1000)))
            return super().each(work, tasks)

    with pytest.raises(NearclassError, match=r"01\.jsonl: is another file than when the run began"):
        shared.ingest([str(folder)], sharing=Sharing(Gone(actors=1)))


def test_nothing_listens_beyond_this_machine_and_no_usage_is_told(ray):
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        places = {one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN}
        assert places <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, process.cmdline()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_run_that_is_killed_goes_on_with_the_shards_that_are_missing(shop_at, tmp_path):
    folder = many(tmp_path / "many", 6, 60)
    shop_at("shared").close()
    env = {**os.environ, "NEARCLASS_PRECISION": "float32", "NEARCLASS_THREADS": "1"}
    line = [*COMMAND, "--uri", str(tmp_path / "shared.db"), "ingest", "--engine", "ray", "--actors", "1", str(folder)]
    with subprocess.Popen(
        line, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        manifests = lambda: sorted(one.stem for one in tmp_path.glob("nearclass.parts/*/0*.json"))  # noqa: E731
        deadline = time.monotonic() + 400
        while len(manifests()) < 2 and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.05)
        assert run.poll() is None, run.communicate()
        # Agents of Ray, which only report, take their time to see that they are alone.
        below = [one for one in psutil.Process(run.pid).children(recursive=True) if "Agent" not in one.name()]
        run.kill()
        _, alive = psutil.wait_procs(below, timeout=30)
        assert alive == []
    there = manifests()
    assert there
    again = subprocess.run(line, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    counts = json.loads(again.stdout)
    assert (counts["read"], counts["ok"] + counts["unchanged"], counts["rejected"]) == (360, 360, 0)
    assert not list(tmp_path.glob("nearclass.parts/*"))
    plain = shop_at("plain")
    plain.ingest([str(folder)])
    check_same(stored(shop_at("shared")), stored(plain))
