"""Settings: which source wins, what is refused, and what is shown."""

import os
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr, ValidationError

from nearclass.cli.app import run
from nearclass.errors import ConfigError
from nearclass.settings import CONFIG_FILE, Settings, load_settings, masked


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and no variable of ours."""
    import os

    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith("NEARCLASS_"):
            monkeypatch.delenv(name)


def _write(text: str, name: str = CONFIG_FILE) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_without_any_source_every_setting_has_its_default() -> None:
    loaded = load_settings()
    assert loaded.settings.uri == "nearclass.db"
    assert set(loaded.origins) == set(Settings.model_fields)
    assert set(loaded.origins.values()) == {"default"}


def test_the_nearest_source_to_the_user_wins_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('uri = "file.db"\ncatalog = "from_file"\ntimeout_s = 7')
    monkeypatch.setenv("NEARCLASS_URI", "env.db")
    monkeypatch.setenv("NEARCLASS_CATALOG", "from_env")
    loaded = load_settings({"uri": "flag.db"})
    found = loaded.settings.uri, loaded.settings.catalog, loaded.settings.timeout_s, loaded.settings.device
    assert found == ("flag.db", "from_env", 7.0, "auto")
    assert loaded.origins["uri"] == "flag"
    assert loaded.origins["catalog"] == "environment NEARCLASS_CATALOG"
    assert loaded.origins["timeout_s"] == f"file {CONFIG_FILE}"
    assert loaded.origins["device"] == "default"


def test_a_flag_that_is_not_given_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_URI", "env.db")
    loaded = load_settings({"uri": None, "catalog": None})
    assert loaded.settings.uri == "env.db"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('uri = "file.db"')
    monkeypatch.setenv("NEARCLASS_URI", "")
    monkeypatch.setenv("NEARCLASS_CONFIG", "")
    loaded = load_settings()
    assert (loaded.settings.uri, loaded.origins["uri"]) == ("file.db", f"file {CONFIG_FILE}")


def test_a_variable_may_be_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nearclass_uri", "env.db")
    assert load_settings().settings.uri == "env.db"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("NEARCLASS_URL", "NEARCLASS_URI"),
        ("NEARCLASS_CATALOGUE", "NEARCLASS_CATALOG"),
        ("NEARCLASS_TIMEOUT", "NEARCLASS_TIMEOUT_S"),
        ("NEARCLASS_TEXT_ENCODR", "NEARCLASS_TEXT_ENCODER"),
        ("nearclass_ofline", "NEARCLASS_OFFLINE"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_right_one_named(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert variable in caught.value.message
    assert caught.value.hint == f"Did you mean {meant}?"


def test_a_misspelt_variable_is_refused_even_when_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_URL", "")
    with pytest.raises(ConfigError, match="NEARCLASS_URL"):
        load_settings()


def test_a_name_like_no_other_is_answered_with_all_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_XYZZY_QQQQQQQQQ", "1")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert all(f"NEARCLASS_{name.upper()}" in caught.value.hint for name in Settings.model_fields)


@pytest.mark.parametrize(
    ("text", "wrong", "meant"),
    [
        pytest.param('urii = "x"', "urii", "uri", id="misspelt"),
        pytest.param("[device]\nx = 1", "device", "", id="a table in place of a value"),
        pytest.param('NEARCLASS_URI = "x"', "NEARCLASS_URI", "uri?", id="the name of the variable"),
    ],
)
def test_what_a_file_should_not_have_is_refused(text: str, wrong: str, meant: str) -> None:
    _write(text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert wrong in caught.value.message
    assert CONFIG_FILE in caught.value.message
    assert meant in caught.value.hint


@pytest.mark.parametrize("text", ["uri = ", "\x00", "= 1", 'uri = "a"\nuri = "b"'], ids=repr)
def test_a_file_that_is_no_toml_is_refused_with_an_example(text: str) -> None:
    _write(text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert CONFIG_FILE in caught.value.message
    assert "TOML" in caught.value.hint


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    Path(CONFIG_FILE).write_bytes(b'uri = "\xff"')
    with pytest.raises(ConfigError, match=CONFIG_FILE):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", "0"),
        ("timeout_s", "soon"),
        ("timeout_s", "inf"),
        ("timeout_s", "nan"),
        ("threads", "0"),
        ("threads", "2.5"),
        ("device", "abacus"),
        ("precision", "float16"),
        ("offline", "perhaps"),
        ("catalog", "1st"),
        ("catalog", "a-b"),
        ("catalog", "x" * 65),
        ("class_search", "guess"),
        ("image_prompts", "a photo"),
        ("image_prompts", '["{}", "{} and {}"]'),
        ("image_prompts", '["{}'),
        ("picture_max_mb", "0"),
        ("picture_max_megapixels", "1001"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name_its_value_and_its_origin(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"NEARCLASS_{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert name in caught.value.message
    assert repr(value) in caught.value.message
    assert f"(from environment {variable})" in caught.value.message
    assert caught.value.hint == f"{name}: {Settings.model_fields[name].description}"


def test_a_bad_value_of_a_file_or_a_flag_names_that_as_its_origin() -> None:
    _write('threads = "many"')
    with pytest.raises(ConfigError, match=rf"from file {CONFIG_FILE}"):
        load_settings()
    _write("")
    with pytest.raises(ConfigError, match="from flag"):
        load_settings({"device": "abacus"})


def test_a_flag_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="colour"):
        load_settings({"colour": "red"})


def test_the_variable_can_name_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('uri = "here.db"')
    _write('uri = "other.db"', "other.toml")
    monkeypatch.setenv("NEARCLASS_CONFIG", "other.toml")
    loaded = load_settings()
    assert (loaded.settings.uri, loaded.origins["uri"]) == ("other.db", "file other.toml")
    assert load_settings(config=CONFIG_FILE).settings.uri == "here.db"


def test_a_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_settings(config="gone.toml")
    monkeypatch.setenv("NEARCLASS_CONFIG", "lost.toml")
    with pytest.raises(ConfigError, match=r"lost\.toml"):
        load_settings()


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        load_settings(config=tmp_path)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings().settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.uri = "other.db"  # type: ignore[misc]


def test_a_dotenv_file_of_the_working_directory_is_not_read() -> None:
    _write("NEARCLASS_URI=evil.db", ".env")
    assert load_settings().settings.uri == "nearclass.db"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("nearclass.db", "nearclass.db"),
        ("http://host:19530", "http://host:19530"),
        ("http://root:Milvus@host:19530", "http://**********@host:19530"),
        ("https://key@host", "https://**********@host"),
        ("http://root:p@ss@host", "http://**********@host"),
        ("mail@example.db", "mail@example.db"),
    ],
)
def test_credentials_of_an_address_are_masked(uri: str, shown: str) -> None:
    assert masked(load_settings({"uri": uri}).settings, "uri") == shown


def test_a_secret_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NEARCLASS_TOKEN", "root:hunter2")
    monkeypatch.setenv("NEARCLASS_URI", "http://me:hunter2@host:1")
    loaded = load_settings()
    assert isinstance(loaded.settings.token, SecretStr)
    assert loaded.settings.token.get_secret_value() == "root:hunter2"
    for output in ("json", "jsonl", "csv", "table"):
        assert run(["config", "show", "-o", output]) == 0
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "*****" in said.out


def test_a_secret_is_not_shown_where_another_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_TOKEN", "root:hunter2")
    monkeypatch.setenv("NEARCLASS_DEVICE", "abacus")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["token", "uri"])
def test_a_secret_that_is_wrong_is_not_shown_either(name: str) -> None:
    _write(f'{name} = ["hunter2"]')
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert name in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_config_show_has_every_setting_with_value_origin_and_meaning(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEARCLASS_THREADS", "3")
    assert run(["--uri", "flag.db", "config", "show", "-o", "json"]) == 0
    rows = {row["name"]: row for row in orjson.loads(capsysbinary.readouterr().out)}
    assert set(rows) == set(Settings.model_fields)
    assert (rows["threads"]["value"], rows["threads"]["origin"]) == ("3", "environment NEARCLASS_THREADS")
    assert (rows["uri"]["value"], rows["uri"]["origin"]) == ("flag.db", "flag")
    assert all(row["meaning"].endswith(".") for row in rows.values())


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a photo of a {}", ("a photo of a {}",)),
        ('["a photo of {}.", "{}"]', ("a photo of {}.", "{}")),
        ("[{}]", None),
        ("[]", None),
    ],
)
def test_prompts_come_from_the_environment_as_one_or_as_a_list(
    text: str, prompts: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEARCLASS_IMAGE_PROMPTS", text)
    if prompts is None:
        with pytest.raises(ConfigError, match="image_prompts"):
            load_settings()
    else:
        assert load_settings().settings.image_prompts == prompts


def test_folders_of_pictures_come_from_the_environment_as_paths_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARCLASS_PICTURE_ROOTS", os.pathsep.join(["/photos", "more photos"]))
    settings = load_settings().settings
    assert settings.picture_roots == (Path("/photos"), Path("more photos"))
    assert masked(settings, "picture_roots") == '["/photos", "more photos"]'
    _write('picture_roots = ["a", "b"]\nimage_prompts = ["{}"]')
    monkeypatch.delenv("NEARCLASS_PICTURE_ROOTS")
    assert masked(Settings(), "picture_roots") == ""
    assert load_settings().settings.picture_roots == (Path("a"), Path("b"))
