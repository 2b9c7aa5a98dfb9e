"""PURE: answers to golden prompts: rows, what is refused, and the question for them.

An answer is kept once by its id, whoever sends it again; it is in no sum of requests.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.events.schema import Evaluation
from pointsman.ledger.rows import MAX_NAME, MAX_NANO, MAX_NUMBER, Refusal, Row, when_ms

EVALUATION: Final = (
    "id", "at_ms", "suite", "content", "backend", "model", "task", "prompt", "currency",
    "reported_model", "fingerprint", "missing", "run", "latency_us", "input_tokens",
    "output_tokens", "cost_nano", "score_micro",
)  # fmt: skip
"""Columns of a row."""
USUAL: Final = 1_000
MOST: Final = 20_000
"""In one answer."""
_BY: Final = ("suite", "content", "backend", "task")


class Evaluated(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row, as it is told; the fields mean what those of the event do."""

    id: str
    at_ms: int
    suite: str
    content: str
    backend: str
    model: str
    task: str
    prompt: str
    currency: str
    reported_model: str
    fingerprint: str
    missing: str
    run: int
    latency_us: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    score: float | None = None


class Evaluations(msgspec.Struct, frozen=True):
    """The newest first; `more` if there are more than were asked for."""

    evaluations: list[Evaluated]
    more: bool


def refuse_evaluation(event: Evaluation) -> Refusal | None:
    """None for an event that can be kept."""
    needed = (event.id, event.suite, event.content, event.backend, event.task, event.prompt)
    names = (*needed, event.model, event.currency, event.reported_model, event.fingerprint)
    numbers = (event.run, event.latency_us, event.input_tokens, event.output_tokens)
    sane = (
        all(needed)
        and max(map(len, names)) <= MAX_NAME
        and min(numbers) >= 0
        and max(numbers) <= MAX_NUMBER
        and 0 <= event.cost_nano <= MAX_NANO
        and (event.score is None) == bool(event.missing)
        and (event.score is None or 0 <= event.score <= 1)
    )
    return None if sane else "OutOfRange"


def evaluation_row(event: Evaluation, now_ms: int) -> Row:
    """Values of the columns EVALUATION; under the time that it came if its own is absurd."""
    at_ms, _ = when_ms(event.at_ms, now_ms)
    return (
        event.id, at_ms, event.suite, event.content, event.backend, event.model, event.task,
        event.prompt, event.currency, event.reported_model, event.fingerprint, event.missing,
        event.run, event.latency_us, event.input_tokens, event.output_tokens, event.cost_nano,
        None if event.score is None else round(event.score * 1_000_000),
    )  # fmt: skip


def question(by: dict[str, str], from_ms: int, limit: int) -> tuple[str, list[object]]:
    """SQL and values: rows since then with these names, one more than the limit."""
    wanted = [name for name in _BY if by.get(name)]
    where = "".join(f" AND {name} = ?" for name in wanted)
    sql = (
        f"SELECT {', '.join(EVALUATION)} FROM evaluations WHERE at_ms >= ?{where}"  # noqa: S608
        " ORDER BY at_ms DESC, id LIMIT ?"
    )
    return sql, [from_ms, *(by[name] for name in wanted), limit + 1]


def told(rows: Sequence[Row], limit: int) -> Evaluations:
    """Of the rows of that question."""
    found = [_evaluated(dict(zip(EVALUATION, row, strict=True))) for row in rows[:limit]]
    return Evaluations(found, len(rows) > limit)


def _evaluated(row: dict[str, object]) -> Evaluated:
    micro = row["score_micro"]
    score = None if micro is None else int(str(micro)) / 1_000_000
    return msgspec.convert({**row, "score": score}, Evaluated)
