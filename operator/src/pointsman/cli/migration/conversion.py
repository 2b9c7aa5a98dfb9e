"""PURE: a LiteLLM config as files of ours, and what is to be said of it."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pointsman.api.manifests import Loaded, Severity, cross_check, load_text
from pointsman.cli.migration.backends import Backends, backends
from pointsman.cli.migration.known import SECTIONS, TOP, advice
from pointsman.cli.migration.policies import Policies, policies
from pointsman.cli.migration.reading import Config, Kind, Note, read
from pointsman.cli.migration.variables import unread

SECRETS, BACKENDS, POLICIES = "secrets.yaml", "backends.yaml", "policies.yaml"


@dataclass(frozen=True, slots=True)
class Imported:
    """Everything that was made of one config."""

    config: Config
    backends: Backends
    policies: Policies
    notes: tuple[Note, ...]
    """In the order of the config."""

    @property
    def empty(self) -> bool:
        """There is nothing to apply."""
        return not self.backends.documents

    def files(self) -> Mapping[str, str]:
        """By name; of all together, their order is that of applying."""
        parts = {
            SECRETS: [one.text() for one in self.backends.keys.documents()],
            BACKENDS: [one.text() for one in self.backends.documents.values()],
            POLICIES: [one.text() for one in self.policies.documents],
        }
        found = {name: "---\n".join(texts) for name, texts in parts.items() if texts}
        return found | {POLICIES: _head(self.notes) + found.get(POLICIES, "")}

    def text(self) -> str:
        """All of it in one."""
        files = self.files()
        head = _head(self.notes)
        bodies = [files[name] for name in (SECRETS, BACKENDS) if name in files]
        bodies += [files[POLICIES].removeprefix(head)] if self.policies.documents else []
        return head + "---\n".join(bodies)

    def loaded(self) -> Loaded:
        """As `pointsman check` reads it."""
        return load_text(self.text(), "<imported>")

    def errors(self) -> list[str]:
        """What `pointsman check` would say; empty, or this is a fault of ours."""
        loaded = self.loaded()
        found = (*loaded.problems, *cross_check(loaded))
        return [str(one) for one in found if one.severity is Severity.ERROR]


def imported(text: str, environment: Mapping[str, str]) -> Imported:
    """Raises BadConfig. `environment` has URLs that the config leaves to variables; no key of it
    is read."""
    config = read(text)
    made = backends(config, environment)
    routes = policies(config, made.names)
    notes = (*config.notes, *made.notes, *routes.notes, *_settings(config))
    return Imported(config, made, routes, tuple(sorted(set(notes), key=lambda n: (n.line, n.path))))


def _settings(config: Config) -> Iterator[Note]:
    """Settings of the whole that have no counterpart."""
    sections = {
        "router_settings": config.router,
        "litellm_settings": config.litellm,
        "general_settings": config.general,
    }
    for name, section in sections.items():
        for key in section:
            if said := advice(*SECTIONS[name], key):
                yield config.note(Kind.LEFT_OUT, f"{name}.{key}", said)
            elif said == "" and (message := unread(key, section[key])):
                yield config.note(Kind.REFUSED, f"{name}.{key}", message)
    for key, said in TOP.items():
        if said and key in config.lines:
            yield config.note(Kind.LEFT_OUT, key, said)


def _head(notes: tuple[Note, ...]) -> str:
    """What has no place in an object; what has one is said there."""
    lines = [
        "# Made from a LiteLLM config by `pointsman import litellm`; try it: `pointsman check`"
    ]
    if notes:
        lines.append("# Not taken over, or not quite:")
    for one in notes:
        text = f"{one.path} (line {one.line}), {one.kind}: {one.message}"
        lines += textwrap.wrap(
            text, 100, initial_indent="#   ", subsequent_indent="#     ", break_long_words=False
        )
    return "\n".join(lines) + "\n"
