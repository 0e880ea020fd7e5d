"""Configs from text: config.json, a manifest's representation, and `--set section.key=value`."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, TypeVar

from musevae.config import (
    FORMAT_VERSION,
    KINDS,
    AnyConfig,
    Config,
    ConfigError,
    ImageConfig,
    RepresentationConfig,
    known,
)

T = TypeVar("T")
Kind = TypeVar("Kind", bound=AnyConfig)


def from_dict(content: Mapping[str, Any]) -> AnyConfig:
    """The config of a config.json's content, an ImageConfig where it says what `images` are.

    ConfigError for a newer format, an unknown key or a wrong type.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"config.json must be an object, not {content!r}")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ConfigError(f"format version {version!r}; this musevae reads {FORMAT_VERSION}: update musevae")
    described = {key: value for key, value in content.items() if key != "format_version"}
    return _read(described, ImageConfig) if "images" in content else _read(described, Config)


def representation_from_dict(content: Mapping[str, Any]) -> RepresentationConfig:
    """The representation that a dataset's manifest describes; ConfigError for an unknown key or a wrong type."""
    return _read(content, RepresentationConfig, "representation")


def override(config: Kind, settings: Iterable[str]) -> Kind:
    """The config changed by settings "section.key=value", as in "model.z_size=128" or "model.encoder_sizes=512,512".

    They count together: their order does not matter, but for the last of two that set the same.
    """
    changes: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, name = key.strip().partition(".")
        if not (equals and dot):
            raise ConfigError(f"{setting!r} is not section.key=value, as in model.z_size=128")
        part = getattr(
            config, known(section, [f.name for f in fields(config) if is_dataclass(getattr(config, f.name))])
        )
        known(name, [f.name for f in fields(part)], f"{section}.")
        changes.setdefault(section, {})[name] = _parse(text.strip(), _types(type(part))[name], key)
    sections = {section: replace(getattr(config, section), **values) for section, values in changes.items()}
    return replace(config, **sections)


def _read(content: Any, cls: type[T], name: str = "") -> T:  # noqa: ANN401 - JSON
    """A JSON object as the dataclass `cls`, of a representation as the kind that its name says."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{name or 'config.json'} must be an object, not {content!r}")
    prefix = f"{name}." if name else ""
    kind = (
        KINDS[known(str(content.get("name", "melody")), KINDS, "representation ")]
        if cls is RepresentationConfig
        else cls
    )
    types = _types(kind)
    values: dict[str, Any] = {}
    for key, value in content.items():
        field_type = types[known(key, types, prefix)]
        nested = isinstance(field_type, type) and is_dataclass(field_type)
        values[key] = (_read if nested else _checked)(value, field_type, f"{prefix}{key}")
    try:
        return kind(**values)  # type: ignore[return-value]
    except TypeError as error:
        raise ConfigError(f"{name or 'config.json'} is incomplete: {error}") from None


def _types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _choices(kind: Any) -> list[Any]:  # noqa: ANN401 - a type expression
    return list(typing.get_args(kind)) if typing.get_origin(kind) in (UnionType, typing.Union) else [kind]


def _checked(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """A JSON value as the type that the field has."""
    for choice in _choices(kind):
        if typing.get_origin(choice) is tuple and isinstance(value, list | tuple):
            item = typing.get_args(choice)[0]
            return tuple(_checked(entry, item, name) for entry in value)
        if choice is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if choice in (bool, int, float, str, type(None)) and type(value) is choice:
            return value
        if typing.get_origin(choice) is typing.get_origin(Mapping[str, Any]) and isinstance(value, Mapping):
            return dict(value)
    raise ConfigError(f"{name} cannot be {value!r}: it must be {_spelled(kind)}")


def _parse(text: str, kind: Any, name: str) -> Any:  # noqa: ANN401 - a field of any type
    """A value as written on the command line."""
    for choice in _choices(kind):
        try:
            if choice is type(None) and text.lower() == "none":
                return None
            if typing.get_origin(choice) is tuple:
                return tuple(
                    typing.get_args(choice)[0](part) for part in text.replace("/", ",").strip("()").split(",") if part
                )
            if choice is bool:
                return {"true": True, "false": False}[text.lower()]
            if choice in (int, float, str):
                return choice(text)
        except (KeyError, ValueError):
            continue
    raise ConfigError(f"{name} cannot be {text!r}: it must be {_spelled(kind)}")


def _spelled(kind: Any) -> str:  # noqa: ANN401 - a type expression
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", type(None): "none"}
    return " or ".join(names.get(choice, "numbers joined by commas") for choice in _choices(kind))
