"""A model is data: nothing in its folder is run, and nothing that can run code is read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role

Change = Callable[..., Path]

_ENCODE = """
import sys
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.schemas.records import Role
import sentence_transformers
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith(("pickle.", "marshal.loads")) else None)
encoder = TextEncoder(describe(resolve(sys.argv[1])), device="cpu", precision="float32", threads=1)
print(encoder.encode(["kettle"], Role.ITEM).vectors.shape)
print(sum(event.startswith("pickle.") for event in seen))
import pickle
pickle.loads(b"cbuiltins\\nlen\\n.")
print(seen.count("pickle.find_class"))
"""


@pytest.fixture
def sentinel(copy: Path) -> Path:
    """A file that code of the model's own would leave; every place such code could stand in has it."""
    left = copy / "the-code-ran"
    code = f"from pathlib import Path\nPath({str(left)!r}).touch()\n"
    code += "class Evil:\n    pass\nEvilModel = EvilConfig = EvilTokenizer = Evil\n"
    for name in ("evil.py", "configuration_evil.py", "modeling_evil.py", "tokenization_evil.py", "setup.py"):
        (copy / name).write_text(code, encoding="utf-8")
    return left


_AUTO_MAP = {
    "AutoConfig": "configuration_evil.EvilConfig",
    "AutoModel": "modeling_evil.EvilModel",
    "AutoTokenizer": ["tokenization_evil.EvilTokenizer", "tokenization_evil.EvilTokenizer"],
}


def _encode(folder: Path) -> tuple[int, ...]:
    model = TextEncoder(describe(resolve(str(folder))), device="cpu", precision="float32", threads=1)
    return model.encode(["kettle"], Role.ITEM).vectors.shape


def test_code_beside_a_known_architecture_is_not_run(copy: Path, sentinel: Path, edit: Change) -> None:
    edit(copy, "config.json", auto_map=_AUTO_MAP)
    edit(copy, "tokenizer_config.json", auto_map=_AUTO_MAP)
    assert _encode(copy) == (1, 384)
    assert not sentinel.exists()


def test_an_architecture_that_needs_code_is_refused_and_the_code_not_run(
    copy: Path, sentinel: Path, edit: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_TRUST_REMOTE_CODE", "1")
    edit(copy, "config.json", auto_map=_AUTO_MAP, model_type="evil", architectures=["EvilModel"])
    with pytest.raises(EncoderError):
        _encode(copy)
    assert not sentinel.exists()


def test_a_module_with_code_is_refused_and_the_code_not_run_even_where_it_can_be_imported(
    copy: Path, sentinel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(copy)
    modules = json.loads((copy / "modules.json").read_text(encoding="utf-8"))
    modules[2]["type"] = "evil.Evil"
    (copy / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(EncoderError, match=r"evil\.Evil"):
        _encode(copy)
    assert not sentinel.exists()


def test_pickled_weights_beside_safe_ones_are_not_read(copy: Path, encoder: TextEncoder) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert _encode(copy) == (1, 384)


@pytest.mark.slow
def test_no_pickle_is_loaded_from_the_first_byte_of_the_model_to_the_vector(model_dir: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEARCLASS_")}
    done = subprocess.run(
        [sys.executable, "-c", _ENCODE, str(model_dir)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    shape, pickles, control = done.stdout.split("\n")[:3]
    assert shape == "(1, 384)"
    assert pickles == "0"
    assert control == "1", "the hook does not see a pickle when there is one"
