"""PURE: what LiteLLM adds to requests, and takes from them, as a promptProfile."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pointsman.cli.migration.known import DEFAULTS
from pointsman.cli.migration.reading import Section
from pointsman.cli.migration.rules import texts
from pointsman.cli.migration.variables import in_variable

_KEPT: Final = (
    "model", "messages", "prompt", "input", "stream", "tools", "functions", "stop", "thinking",
    "chat_template_kwargs", "enable_thinking",
)  # fmt: skip
_EXPONENT: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+")
_MOST: Final = 32
_MOST_STOPS: Final = 4
_LONGEST_STOP: Final = 64
_LONGEST: Final = 256
Said = tuple[tuple[str | int, ...], str]


@dataclass(frozen=True, slots=True)
class Defaults:
    """Of one deployment; what is said is about a field."""

    profile: Mapping[str, object]
    said: tuple[Said, ...]


def defaults(params: Section) -> Defaults:
    """spec.promptProfile, empty if nothing is changed; what it cannot have is told."""
    said: list[Said] = []
    removed = [*_removed(params, said)]
    added = [(name, text) for name, text in _added(params, said) if name not in removed]
    parameters = [
        *({"name": name, "default": text} for name, text in added),
        *({"name": name, "remove": True} for name in removed),
    ]
    if len(parameters) > _MOST:
        said.append((("spec",), f"at most {_MOST} parameters are changed: some are left out"))
    stops = _stops(params, said)
    profile: dict[str, object] = {"parameters": parameters[:_MOST]} if parameters else {}
    if stops:
        profile["stop"] = stops
    return Defaults(profile, tuple(said))


def _added(params: Section, said: list[Said]) -> Iterator[tuple[str, str]]:
    for key in DEFAULTS:
        value = params.get(key)
        if value is None or in_variable(value):
            continue
        text = _text(value)
        if text is None:
            message = (
                f"litellm_params.{key}: no number, no true or false, no text of 1 to 256 signs"
            )
            said.append((("spec",), message))
        elif key.startswith("max_") and re.fullmatch("[1-9][0-9]{0,8}", text) is None:
            said.append((("spec",), f"litellm_params.{key}: no whole number above 0"))
        else:
            yield key, text


def _removed(params: Section, said: list[Said]) -> Iterator[str]:
    for key in dict.fromkeys(texts(params.get("additional_drop_params"))):
        if re.fullmatch("[a-z][a-z0-9_]{0,63}", key) and key not in _KEPT:
            yield key
        else:
            said.append((("spec",), f"additional_drop_params: {key} cannot be removed"))


def _stops(params: Section, said: list[Said]) -> list[str]:
    given = texts(params.get("stop"))
    able = [one for one in given if 0 < len(one) <= _LONGEST_STOP][:_MOST_STOPS]
    if len(able) < len(given):
        said.append((("spec",), "litellm_params.stop: at most 4 texts of 1 to 64 signs are here"))
    if able:
        message = "litellm_params.stop: added to the caller's here, a default in LiteLLM"
        said.append((("spec", "promptProfile", "stop"), message))
    return able


def _text(value: object) -> str | None:
    """As it is written in a spec; numbers without an exponent, which YAML 1.1 reads as texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}" if math.isfinite(value) else ""
    else:
        text = str(value) if isinstance(value, int | str) else ""
    return text if 0 < len(text) <= _LONGEST else None
