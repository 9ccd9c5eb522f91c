"""The one frozen ``Settings``: flags over ``NEARCLASS_*`` over ``nearclass.toml`` over defaults.

Whoever starts a process (the command, a service, a test) calls ``load_settings`` once and passes the values on;
nothing else reads the environment.
"""

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import ConfigError
from .schemas.pictures import DEFAULT_PROMPTS, prompt_problem

__all__ = ["CONFIG_FILE", "ENV_PREFIX", "LoadedSettings", "Settings", "load_settings", "masked"]

ENV_PREFIX: Final = "NEARCLASS_"
CONFIG_FILE: Final = "nearclass.toml"
_CONFIG_VARIABLE: Final = f"{ENV_PREFIX}CONFIG"


class Settings(BaseSettings):
    """Everything that can be configured, checked and frozen."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    uri: str = Field(
        "nearclass.db",
        min_length=1,
        description="A path for the embedded database, or the URL of a Milvus server.",
    )
    catalog: str = Field(
        "default",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$",
        description="Name of the catalogue; several may share one database.",
    )
    author: str = Field("", description="Who changes the classes, for the log; by default the user of the system.")
    token: SecretStr | None = Field(None, description="Token or user:password of the Milvus server.")
    database: str | None = Field(None, description="Database on the Milvus server.")
    tls_ca: Path | None = Field(None, description="Certificate authority for a server with TLS, as a PEM file.")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Deadline of every call to Milvus, in seconds.")
    broker_url: SecretStr | None = Field(
        None, description="URL of the broker that `nearclass worker` reads from, which may hold a password."
    )
    text_encoder: str | None = Field(
        None,
        description="Preset, model id or folder of the text encoder; by default the one the catalogue has.",
    )
    class_prompt: str | None = Field(None, description="Put before class texts in place of the model's own prompt.")
    item_prompt: str | None = Field(None, description="Put before item texts in place of the model's own prompt.")
    image_encoder: str | None = Field(
        None,
        description="Preset, architecture/tag, hf-hub:model or local-dir:folder of the encoder of pictures.",
    )
    image_prompts: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_PROMPTS,
        min_length=1,
        description="What texts are put into before they are compared with pictures; each has one {}.",
    )
    picture_max_mb: float = Field(20.0, gt=0, le=1000, description="Largest file of a picture, in megabytes.")
    picture_max_megapixels: float = Field(
        50.0, gt=0, le=1000, description="Most pixels of a picture, in millions; decoding takes 5 bytes for each."
    )
    picture_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders that pictures may be in besides that of the file that names them; none: any."
    )
    picture_urls: str = Field(
        "off",
        description="Which pictures are fetched from the web: off, public, or hosts with commas between them.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where the encoder runs.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Arithmetic of the encoder; auto takes bfloat16 where it is equivalent and faster.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads of the encoder; by default the cores this process may use.",
    )
    offline: bool = Field(default=False, description="Never contact the model hub.")
    ray_address: str | None = Field(
        None,
        description="Ray cluster that `ingest --engine ray` works on; by default Ray is started on this machine.",
    )
    class_search: Literal["auto", "milvus", "mirror"] = Field(
        "auto",
        description="Who finds the nearest classes: Milvus, or the exact in-process mirror of its vectors.",
    )

    @field_validator("image_prompts", mode="before")
    @classmethod
    def _one_prompt_or_a_list(cls, value: Any) -> Any:
        return _listed(value, separator=None)

    @field_validator("picture_roots", mode="before")
    @classmethod
    def _one_folder_or_several(cls, value: Any) -> Any:
        return _listed(value, separator=os.pathsep)

    @field_validator("image_prompts")
    @classmethod
    def _with_a_place_for_the_text(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        problem = next(filter(None, map(prompt_problem, value)), "")
        if problem:
            raise ValueError(problem)
        return value


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and for each name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


class _Explicit(Settings):
    """Settings from the keyword arguments alone; the sources are read one by one to remember their origin."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(flags: Mapping[str, Any] | None = None, *, config: str | Path | None = None) -> LoadedSettings:
    """Settings from every source, the nearest to the user first: flag, environment, file, default.

    Args:
        flags: Values given on the command line; None values count as not given.
        config: A configuration file that must exist; by default ``NEARCLASS_CONFIG``, then ``nearclass.toml`` in
            the working directory if there is one.

    Raises:
        ConfigError: A name is unknown, a value is out of range, or the file cannot be read.
    """
    _refuse_unknown_variables(os.environ)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    path = _config_path(config)
    layers: list[tuple[str, Mapping[str, Any]]] = [
        (f"file {path}", _read_file(path) if path else {}),
        ("environment", EnvSettingsSource(Settings)()),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ]
    for origin, layer in layers:
        for name, value in layer.items():
            values[name] = value
            origins[name] = f"environment {ENV_PREFIX}{name.upper()}" if origin == "environment" else origin
    try:
        settings = _Explicit(**values)
    except ValidationError as error:
        raise _explained(error, origins) from None
    return LoadedSettings(settings, origins)


def masked(settings: Settings, name: str) -> str:
    """The value of one setting for people to read, secrets replaced by stars."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return "**********"
    if name == "uri" and "@" in value and "://" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://**********@{rest.rpartition('@')[2]}"
    if isinstance(value, tuple):
        return json.dumps([str(one) for one in value], ensure_ascii=False) if value else ""
    return "" if value is None else str(value)


def _listed(value: Any, separator: str | None) -> Any:
    """A list that the environment can only give as a text: as JSON, with separators, or as its one element."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [one for one in value.split(separator) if one] if separator else [value]


def _config_path(config: str | Path | None) -> Path | None:
    explicit = config or os.environ.get(_CONFIG_VARIABLE)
    if explicit:
        path = Path(explicit).expanduser()
        if not path.is_file():
            message = f"configuration file not found: {path}"
            raise ConfigError(message, hint="Give an existing TOML file with --config, or leave the flag off.")
        return path
    path = Path(CONFIG_FILE)
    return path if path.is_file() else None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = TomlConfigSettingsSource(Settings, toml_file=path)()
        names = set(TomlConfigSettingsSource(Settings, toml_file=path).toml_data)
    except (OSError, ValueError) as error:
        message = f"cannot read the configuration file {path}: {error}"
        raise ConfigError(message, hint='It must be TOML, for example: uri = "catalogue.db"') from error
    for name in sorted(names - set(Settings.model_fields)):
        raise _unknown(name, f"in {path}", Settings.model_fields)
    return values


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    # pydantic-settings ignores a misspelt environment variable even where extra="forbid".
    known = [*(f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields), _CONFIG_VARIABLE]
    for name in sorted(environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            raise _unknown(name, "in the environment", known)


def _unknown(name: str, place: str, known: Iterable[str]) -> ConfigError:
    # Without the prefix, which would make every name look like every other.
    bare = {one.upper().removeprefix(ENV_PREFIX): one for one in known}
    near = difflib.get_close_matches(name.upper().removeprefix(ENV_PREFIX), bare, n=1, cutoff=0.5)
    hint = f"Did you mean {bare[near[0]]}?" if near else f"There are {', '.join(bare.values())}."
    return ConfigError(f"unknown setting {name} {place}", hint=hint)


def _explained(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if name not in Settings.model_fields:
        return _unknown(name, "among the flags", Settings.model_fields)
    # The value itself may be a secret, or hold one.
    value = "" if name in {"token", "uri", "broker_url"} else f" = {first.get('input')!r}"
    message = f"setting {name}{value} (from {origins[name]}): {first['msg']}"
    return ConfigError(message, hint=f"{name}: {Settings.model_fields[name].description}")
