"""PURE: a LiteLLM config as its sections, with a line for everything, and what is wrong with it.

Guarantees LiteLLM's own reading of the file (YAML 1.1, the last of two equal keys counts) and that
no value of it gets into a message: it may be a secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import yaml

from pointsman.api.spelling import did_you_mean
from pointsman.cli.migration.known import (
    INFO_PREFIXES,
    MODEL_INFO,
    PARAM_PREFIXES,
    PARAMS,
    SECTIONS,
    TOP,
    advice,
)

Section = Mapping[str, object]
MOST_CHARS: Final = 8 * 1024 * 1024
MOST_DEEP: Final = 32
MOST_NODES: Final = 100_000
_ENTRY: Final = dict.fromkeys(("model_name", "litellm_params", "model_info", "rpm", "tpm"), "")


class BadConfig(Exception):
    """Nothing can be made of it; one line for each reason."""


class Kind(StrEnum):
    """What a note is about."""

    UNKNOWN = "unknown"
    REFUSED = "refused"
    LEFT_OUT = "left out"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not, or not quite, in what is written."""

    kind: Kind
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path} (line {self.line}): {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of model_list."""

    index: int
    group: str
    model: str
    params: Section = field(repr=False)
    info: Section = field(repr=False)

    @property
    def path(self) -> str:
        """Where it stands."""
        return f"model_list[{self.index}]"

    def either(self, key: str) -> object:
        """Of litellm_params, else of model_info: LiteLLM reads prices and limits from both."""
        found = self.params.get(key)
        return self.info.get(key) if found is None else found


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    deployments: tuple[Deployment, ...]
    router: Section = field(repr=False)
    litellm: Section = field(repr=False)
    general: Section = field(repr=False)
    notes: tuple[Note, ...]
    """Unknown keys, keys that stand twice, sections that are not read."""
    lines: Mapping[str, int] = field(repr=False)

    def note(self, kind: Kind, path: str, message: str) -> Note:
        """A note with its line."""
        return Note(kind, path, self.line(path), message)

    def line(self, path: str) -> int:
        """Of the path, else of what holds it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 0

    def routing(self, key: str) -> object:
        """Of router_settings, else of litellm_settings: the order in which LiteLLM looks."""
        found = self.router.get(key)
        return self.litellm.get(key) if found is None else found


def read(text: str) -> Config:
    """The config. Raises BadConfig."""
    if len(text) > MOST_CHARS:
        raise BadConfig(f"it is longer than {MOST_CHARS:,} characters")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        found: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadConfig(f"{where}it is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadConfig(f"it is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or root is None:
        raise BadConfig("it is no mapping with a model_list: is it a config.yaml of LiteLLM?")
    lines: dict[str, int] = {}
    twice = [*_walk(root, "", lines, MOST_DEEP)]
    sections = {name: _section(found, name) for name in SECTIONS}
    config = Config(
        deployments=_deployments(found, lines),
        router=sections["router_settings"],
        litellm=sections["litellm_settings"],
        general=sections["general_settings"],
        notes=(),
        lines=lines,
    )
    notes = [*twice, *_unknown(config, found, sections)]
    return Config(
        config.deployments, config.router, config.litellm, config.general, tuple(notes), lines
    )


def _walk(node: yaml.Node, path: str, lines: dict[str, int], deep: int) -> Iterator[Note]:
    """Remember where everything stands; what stands twice. An alias counts as what it is of."""
    if not deep or len(lines) > MOST_NODES:
        raise BadConfig(f"it is nested deeper than {MOST_DEEP} levels, or has too many values")
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            lines[below] = key.start_mark.line + 1
            if key.value in seen:
                message = "stands twice: the last one counts, as in LiteLLM"
                yield Note(Kind.CHANGED, below, lines[below], message)
            seen.add(key.value)
            yield from _walk(value, below, lines, deep - 1)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _walk(value, f"{path}[{i}]", lines, deep - 1)


def _section(found: Mapping[str, object], name: str) -> Section:
    value = found.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadConfig(f"{name} is no mapping")
    return {str(key): one for key, one in value.items()}


def _deployments(found: Mapping[str, object], lines: Mapping[str, int]) -> tuple[Deployment, ...]:
    listed = found.get("model_list")
    if not isinstance(listed, list) or not listed:
        near = did_you_mean("model_list", [str(key) for key in found if key != "model_list"])
        raise BadConfig(f"it has no model_list: there is no model to import{near}")
    made, wrong = [], []
    for i, entry in enumerate(listed):
        line = lines.get(f"model_list[{i}]", 0)
        try:
            made.append(_deployment(i, entry))
        except BadConfig as error:
            wrong.append(f"line {line}: model_list[{i}]: {error}")
    if wrong:
        raise BadConfig("\n".join(wrong))
    return tuple(made)


def _deployment(index: int, entry: object) -> Deployment:
    if not isinstance(entry, dict):
        raise BadConfig("it is no mapping with model_name and litellm_params")
    name, params, info = (entry.get(key) for key in ("model_name", "litellm_params", "model_info"))
    if not isinstance(name, str) or not name:
        raise BadConfig("it has no model_name")
    model = params.get("model") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(model, str) or not model:
        raise BadConfig("it has no litellm_params.model")
    if info is not None and not isinstance(info, dict):
        raise BadConfig("its model_info is no mapping")
    beside = {key: entry[key] for key in ("rpm", "tpm") if key in entry}
    return Deployment(index, name, model, {**beside, **params}, info or {})


def _unknown(
    config: Config, found: Mapping[str, object], sections: Mapping[str, Section]
) -> Iterator[Note]:
    yield from _strangers(config, "", found, TOP, {})
    for name, section in sections.items():
        yield from _strangers(config, name, section, *SECTIONS[name])
    listed = found["model_list"]
    assert isinstance(listed, list)
    for one in config.deployments:
        yield from _strangers(config, one.path, listed[one.index], _ENTRY, {})
        params = f"{one.path}.litellm_params"
        yield from _strangers(config, params, one.params, PARAMS, PARAM_PREFIXES)
        yield from _strangers(config, f"{one.path}.model_info", one.info, MODEL_INFO, INFO_PREFIXES)


def _strangers(
    config: Config,
    path: str,
    keys: Iterable[object],
    known: Mapping[str, str],
    prefixes: Mapping[str, str],
) -> Iterator[Note]:
    for key in map(str, keys):
        if advice(known, prefixes, key) is None:
            whole = f"{path}.{key}" if path else key
            message = f"unknown key{did_you_mean(key, list(known))}"
            yield config.note(Kind.UNKNOWN, whole, message)
