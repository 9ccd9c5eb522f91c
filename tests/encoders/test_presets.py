"""Presets, each consistent in itself and with the real files where they are here."""

import re
from pathlib import Path

import pytest

from nearclass.encoders.background import BACKGROUND
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.presets import DEFAULT_TEXT_PRESET, TEXT_PRESETS, TextPreset
from nearclass.encoders.resolve import WEIGHT_PACKAGES, resolve
from nearclass.schemas.records import Role

_EACH = pytest.mark.parametrize("preset", TEXT_PRESETS.values(), ids=lambda preset: preset.name)


@_EACH
def test_a_preset_is_found_by_its_name_which_is_easy_to_type(preset: TextPreset) -> None:
    assert TEXT_PRESETS[preset.name] is preset
    assert re.fullmatch(r"[a-z0-9][a-z0-9.\-]*", preset.name)


@_EACH
def test_a_preset_names_one_commit_of_one_model(preset: TextPreset) -> None:
    assert re.fullmatch(r"[\w.\-]+/[\w.\-]+", preset.model)
    assert preset.revision is None or re.fullmatch(r"[0-9a-f]{40}", preset.revision)


@_EACH
def test_a_preset_has_sizes_that_can_be(preset: TextPreset) -> None:
    assert 64 <= preset.dim <= 8192
    assert 128 <= preset.max_tokens <= 131_072
    assert 1 <= preset.parameters_m <= 20_000


@_EACH
def test_a_prompt_leaves_room_for_the_text(preset: TextPreset) -> None:
    for prompt in (preset.class_prompt, preset.item_prompt):
        assert len(prompt) < preset.max_tokens
        assert prompt == prompt.lstrip()


@_EACH
def test_a_preset_says_its_licence_its_languages_and_where_that_is_from(preset: TextPreset) -> None:
    assert all((preset.licence, preset.languages, preset.note, preset.source))
    assert preset.note.endswith(".")


def test_no_two_presets_are_one_model() -> None:
    assert len({preset.model for preset in TEXT_PRESETS.values()}) == len(TEXT_PRESETS)


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TEXT_PRESETS["mine"] = TEXT_PRESETS["minilm"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        TEXT_PRESETS["minilm"].dim = 1  # type: ignore[misc]


def test_the_default_preset_exists_and_can_be_installed_as_a_package() -> None:
    assert TEXT_PRESETS[DEFAULT_TEXT_PRESET].model in WEIGHT_PACKAGES


def test_what_the_default_preset_says_is_what_its_files_say(model_dir: Path) -> None:
    preset = TEXT_PRESETS[DEFAULT_TEXT_PRESET]
    by_name, by_files = describe(resolve(preset.name, offline=True)), describe(resolve(str(model_dir)))
    assert by_files.space.dim == preset.dim
    assert by_files.max_tokens == preset.max_tokens
    assert by_files.prompts == {Role.CLASS: preset.class_prompt, Role.ITEM: preset.item_prompt}
    assert by_name.space.fingerprint == by_files.space.fingerprint


def test_the_background_is_many_different_sentences() -> None:
    assert len(set(BACKGROUND)) == len(BACKGROUND) >= 50
    assert all(text == text.strip() and text.endswith(".") and 15 < len(text) < 100 for text in BACKGROUND)
