"""The tree of errors: what it promises in words is what the classes do."""

import inspect
import re

import pytest

from nearclass import errors
from nearclass.cli.app import run
from nearclass.errors import NearclassError

_LINE = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>\w+Error)(?: +exit (?P<code>\d))?(?P<rest>.*)$")


def _drawn() -> dict[str, tuple[str | None, int | None, bool]]:
    """Parent, exit code and retryability of every class, as the docstring draws them."""
    found: dict[str, tuple[str | None, int | None, bool]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := _LINE.match(line):
            depth = len(match["branch"]) // 4
            above[depth:] = [match["name"]]
            parent = above[depth - 1] if depth else None
            code = int(match["code"]) if match["code"] else None
            found[match["name"]] = (parent, code, "(retryable)" in match["rest"])
    return found


DRAWN = _drawn()
CLASSES = {name: one for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, NearclassError)}


def test_the_drawing_has_every_class_and_no_other() -> None:
    assert set(DRAWN) == set(CLASSES) == set(errors.__all__)


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"NearclassError"}))
def test_a_class_stands_where_the_drawing_has_it(name: str) -> None:
    assert CLASSES[name].__bases__ == (CLASSES[str(DRAWN[name][0])],)


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_class_has_the_exit_code_that_is_drawn_or_its_parents(name: str) -> None:
    parent, code, retryable = DRAWN[name]
    expected = code if code is not None else CLASSES[str(parent)].exit_code
    assert CLASSES[name].exit_code == expected
    assert CLASSES[name].retryable is retryable


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_class_says_in_its_own_words_what_happened(name: str) -> None:
    own = CLASSES[name].__dict__.get("__doc__")
    assert own
    assert own.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_error_carries_its_message_and_its_hint(name: str) -> None:
    error = CLASSES[name]("it broke", hint="mend it")
    assert (error.message, error.hint, str(error)) == ("it broke", "mend it", "it broke\nmend it")
    assert str(CLASSES[name]("it broke")) == "it broke"


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {name for name, one in CLASSES.items() if one.retryable} == {
        "BrokerError",
        "StoreUnavailableError",
        "StoreLockedError",
    }


def test_the_command_prints_message_and_hint_and_ends_with_the_code_of_the_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEARCLASS_DEVICE", "abacus")
    assert run(["config", "show"]) == errors.ConfigError.exit_code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0].startswith("error: setting device = 'abacus'")
    assert said.err.splitlines()[1].startswith("next:  ")


def test_a_configuration_file_that_is_not_there_ends_the_command_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--config", "nowhere.toml", "config", "show"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["assing"], 2), (["doctor", "--nosuch"], 2), (["doctor", "-o", "xml"], 2), (["--help"], 0)],
    ids=["misspelt command", "unknown option", "unknown format", "help"],
)
def test_a_misuse_ends_with_2_and_help_with_0(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.err if code else said.out
