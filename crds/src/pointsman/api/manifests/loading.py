"""Files and folders -> typed objects, as `kubectl apply -f` finds and reads them.

A folder gives its .json, .yaml and .yml files in order of name, without its subfolders. Nothing is
half-read: what has a problem is reported with its line and left out, everything else is returned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pointsman.api.conditions import Reason
from pointsman.api.manifests.document import BadDocument, Document, read, split
from pointsman.api.manifests.finding import (
    Finding,
    Item,
    Loaded,
    Location,
    Position,
    Severity,
    Source,
)
from pointsman.api.names import (
    API_VERSION,
    EVALUATION_SUITE,
    GROUP,
    MODEL_BACKEND,
    ROUTING_POLICY,
)
from pointsman.api.spelling import did_you_mean
from pointsman.api.text import STDIN, Unreadable, text_of
from pointsman.api.v1alpha1 import EvaluationSuite, ModelBackend, RoutingPolicy
from pointsman.api.validation import Invalid, M, Problem, parse

EXTENSIONS: Final = (".json", ".yaml", ".yml")
_KINDS: Final = (MODEL_BACKEND, ROUTING_POLICY, EVALUATION_SUITE)
_LISTS: Final = ("List", *(f"{kind}List" for kind in _KINDS))


def load(paths: Iterable[str | Path]) -> Loaded:
    """Everything in files and folders; `-` is standard input. Never raises for what it reads."""
    reading = _Reading()
    for path in paths:
        reading.path(path)
    return reading.loaded()


def load_text(text: str, file: str = "<text>") -> Loaded:
    """Everything in one text; `file` is what findings call it."""
    reading = _Reading()
    reading.text(text, file)
    return reading.loaded()


@dataclass(slots=True)
class _Reading:
    backends: list[Item[ModelBackend]] = field(default_factory=list)
    policies: list[Item[RoutingPolicy]] = field(default_factory=list)
    suites: list[Item[EvaluationSuite]] = field(default_factory=list)
    others: list[Item[dict[str, Any]]] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    broken_backends: set[tuple[str, str]] = field(default_factory=set)
    unread: bool = False

    def loaded(self) -> Loaded:
        return Loaded(
            backends=tuple(self.backends),
            policies=tuple(self.policies),
            suites=tuple(self.suites),
            others=tuple(self.others),
            problems=tuple(self.problems),
            broken_backends=frozenset(self.broken_backends),
            unread=self.unread,
        )

    def path(self, path: str | Path) -> None:
        if str(path) == "-":
            self._file(path, STDIN)
            return
        try:
            if not Path(path).is_dir():
                self._file(path, str(path))
                return
            inside = sorted(Path(path).iterdir())
            files = [f for f in inside if f.suffix in EXTENSIONS and f.is_file()]
            deeper = any(f.is_dir() for f in inside)
        except OSError as error:  # not readable, or gone in the meantime
            self._report(Position(str(path), 0), error.strerror or str(error))
            return
        if not files:
            below = "; folders in it are not read" if deeper else ""
            message = f"no .json, .yaml or .yml file in this folder{below}"
            self._report(Position(str(path), 0), message)
        for file in files:
            self._file(file, str(file))

    def _file(self, path: str | Path, name: str) -> None:
        try:
            text = text_of(path)
        except Unreadable as error:
            self._report(Position(name, error.line), str(error))
        else:
            self.text(text, name)

    def text(self, text: str, file: str) -> None:
        for before, part in split(text):
            try:
                document = read(part, before)
            except BadDocument as error:
                self._report(Position(file, error.line), error.message)
                continue
            if document is not None:
                self._object(document, file, ())

    def _object(self, document: Document, file: str, root: Location) -> None:
        source = Source(file, document.lines, root)
        value = document.value
        for step in root:
            value = value[step]
        if not isinstance(value, dict):
            self._report(source.position(), "a manifest must be an object")
            return
        version, kind = value.get("apiVersion"), value.get("kind")
        if not (isinstance(version, str) and isinstance(kind, str) and version and kind):
            self._report(source.position(), "apiVersion and kind must be set")
        elif kind in _LISTS:
            self._list(document, source, value.get("items"))
        elif version.split("/")[0] == GROUP:
            self._ours(value, source, version, kind)
        else:
            self._other(value, source, kind)

    def _list(self, document: Document, source: Source, items: object) -> None:
        if not isinstance(items, list):
            self._report(source.position("items"), "must be a list", "items")
            return
        for number in range(len(items)):
            self._object(document, source.file, (*source.root, "items", number))

    def _ours(self, value: dict[str, Any], source: Source, version: str, kind: str) -> None:
        if version != API_VERSION:
            message = f'no version "{version}"{did_you_mean(version, [API_VERSION])}'
            self._report(source.position("apiVersion"), message, "apiVersion")
        elif kind not in _KINDS:
            message = f'no kind "{kind}" in {version}{did_you_mean(kind, _KINDS)}'
            self._report(source.position("kind"), message, "kind")
        elif kind == MODEL_BACKEND:
            self._parse(ModelBackend, value, source, self.backends)
        elif kind == EVALUATION_SUITE:
            self._parse(EvaluationSuite, value, source, self.suites)
        else:
            self._parse(RoutingPolicy, value, source, self.policies)

    def _parse(
        self, model: type[M], value: dict[str, Any], source: Source, into: list[Item[M]]
    ) -> None:
        # status is the operator's; in a file it is left over from `kubectl get`, and ignored.
        wanted = {key: part for key, part in value.items() if key != "status"}
        try:
            into.append(Item(parse(model, wanted), source))
        except Invalid as error:
            self.problems += [
                Finding(source.position(problem.path), problem) for problem in error.problems
            ]
            if model is ModelBackend:
                self._broken_backend(value.get("metadata"))

    def _broken_backend(self, metadata: object) -> None:
        about = metadata if isinstance(metadata, dict) else {}
        name, namespace = about.get("name"), about.get("namespace", "default")
        if isinstance(name, str) and isinstance(namespace, str):
            self.broken_backends.add((namespace, name))
        else:
            self.unread = True

    def _other(self, value: dict[str, Any], source: Source, kind: str) -> None:
        if kind in _KINDS:
            message = f"{kind} belongs to {API_VERSION}; of another group, it is ignored"
            problem = Problem("apiVersion", message)
            self.problems.append(Finding(source.position("apiVersion"), problem, Severity.WARNING))
        self.others.append(Item(value, source))

    def _report(self, position: Position, message: str, path: str = "") -> None:
        self.unread = True
        self.problems.append(Finding(position, Problem(path, message, Reason.INVALID)))
