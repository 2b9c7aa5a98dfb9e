"""PURE: how the router told the day's requests apart: by its own analysis, one line a task."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pointsman.analysis import Analysis, Prompt, analyze
from pointsman.cli.demo.figures import UNDECIDED, Answer
from pointsman.cli.demo.prompts import TRUE_TASK, DeskRequest


@dataclass(frozen=True, slots=True)
class Told:
    """The requests of one task; `evidence` is that of the first of them."""

    task: str
    requests: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Apart:
    """All tasks, and whom the desk's person would have called another kind."""

    tasks: tuple[Told, ...]
    undecided: int
    otherwise: tuple[int, ...]
    """Places in the day; the undecided are among them."""


def apart(requests: Iterable[DeskRequest]) -> Apart:
    """What the analysis says of each prompt."""
    found: dict[str, list[str]] = {}
    undecided, otherwise = 0, []
    for number, request in enumerate(requests):
        analysis = _analysis(request)
        undecided += not analysis.decided
        if not analysis.decided or analysis.task is not TRUE_TASK[request.desk_class]:
            otherwise.append(number)
        evidence = ", ".join(analysis.evidence)
        found.setdefault(str(analysis.task) if analysis.decided else "", []).append(evidence)
    tasks = (Told(task or UNDECIDED, len(said), said[0]) for task, said in found.items())
    ordered = tuple(sorted(tasks, key=lambda told: (told.task == UNDECIDED, told.task)))
    return Apart(ordered, undecided, tuple(otherwise))


def _analysis(request: DeskRequest) -> Analysis:
    return analyze(Prompt(user=request.prompt, total_chars=len(request.prompt)))


def lines(found: Apart) -> Iterator[str]:
    """For the terminal: evidence is words of our own, never of a prompt."""
    yield "How the router told the tasks apart, and why, by one request of each:"
    for told in found.tasks:
        yield f"  {told.task:<12} {told.requests:>5,}  {told.evidence}"
    yield (
        f"  not told: {found.undecided:,}; told otherwise than a person at the desk would:"
        f" {len(found.otherwise):,}"
    )


def to_trace(
    found: Apart, requests: Sequence[DeskRequest], answers: Sequence[Answer]
) -> tuple[str, str]:
    """(decision, why this one): the first that was mislabelled, else the first bug report."""
    for number in found.otherwise:
        if answers[number].decision:
            kind = requests[number].desk_class
            return answers[number].decision, f"why a request was not taken for {_article(kind)}"
    for request, answer in zip(requests, answers, strict=True):
        if answer.decision and str(TRUE_TASK[request.desk_class]) == "Coding":
            return answer.decision, "why a bug report went where it did"
    return "", ""


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
