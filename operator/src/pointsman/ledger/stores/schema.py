"""PURE: the numbered steps of the schema, forward and back, for both dialects.

Guarantees that every step back leaves the rows of what the older schema knows. A statement with
{requests} is about the table of requests: in SQLite it runs for every day's table.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pointsman.ledger.contract import Dialect
from pointsman.ledger.hosted import ADDED
from pointsman.ledger.rows import FAILED
from pointsman.ledger.stores.schema_reviews import GUARD, GUARD_BACK, REVIEWS, REVIEWS_BACK
from pointsman.ledger.tally import COUNTS, DURATION, FIRST_TOKEN, QUALITY


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From version `number - 1` to `number`, and back."""

    number: int
    name: str
    forward: tuple[str, ...]
    back: tuple[str, ...]
    after: Mapping[Dialect, tuple[str, ...]] = {}
    """What is said otherwise in each dialect: behind `forward`, and its undoing before `back`."""
    before: Mapping[Dialect, tuple[str, ...]] = {}


_WORDS: Final[dict[Dialect, dict[str, str]]] = {
    "sqlite": {
        "{int}": "INTEGER", "{bin}": "INTEGER", "{flag}": "INTEGER",
        "{real}": "REAL", "{json}": "TEXT",
        "{by_day}": "", "{compact}": " WITHOUT ROWID", "{often}": "",
    },
    "postgres": {
        "{int}": "BIGINT", "{bin}": "INTEGER", "{flag}": "BOOLEAN",
        "{real}": "DOUBLE PRECISION", "{json}": "JSONB",
        "{by_day}": " PARTITION BY RANGE (at_ms)", "{compact}": "",
        "{often}": " WITH (fillfactor = 70)",
    },
}  # fmt: skip


def _sums(names: Sequence[str], kind: str) -> str:
    return ", ".join(f"{name} {{{kind}}} NOT NULL DEFAULT 0" for name in names)


def _each(template: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(template.format(name=name) for name in names)


_SAID: Final = """
    id TEXT NOT NULL, at_ms {int} NOT NULL, caller TEXT NOT NULL, score_micro {int}, good {flag},
    verdict TEXT NOT NULL, comment TEXT NOT NULL, demonstration TEXT NOT NULL, signal TEXT NOT NULL
"""

_FAILED: Final = "outcome IN ('" + "', '".join(FAILED) + "')"

STEPS: Final = (
    Step(
        number=1,
        name="requests and their rollups",
        forward=(
            """
            CREATE TABLE spools (
                spool TEXT PRIMARY KEY, next {int} NOT NULL, lost {int} NOT NULL,
                first_ms {int} NOT NULL, last_ms {int} NOT NULL
            ){compact}
            """,
            "CREATE INDEX spools_last ON spools (last_ms)",
            """
            CREATE TABLE requests (
                at_ms {int} NOT NULL, clock_wrong {flag} NOT NULL, decision TEXT NOT NULL,
                policy TEXT NOT NULL, rule TEXT NOT NULL, caller TEXT NOT NULL, team TEXT NOT NULL,
                task TEXT NOT NULL, backend TEXT NOT NULL, currency TEXT NOT NULL,
                revision TEXT NOT NULL, operation TEXT NOT NULL, request_id TEXT NOT NULL,
                language TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
                response_id TEXT NOT NULL, reported_model TEXT NOT NULL, fingerprint TEXT NOT NULL,
                finish TEXT NOT NULL, context_tokens {int} NOT NULL, duration_us {int} NOT NULL,
                first_token_us {int} NOT NULL, overhead_us {int} NOT NULL, held_us {int} NOT NULL,
                input_tokens {int} NOT NULL, output_tokens {int} NOT NULL,
                cached_tokens {int} NOT NULL, reasoning_tokens {int} NOT NULL,
                status {int} NOT NULL, cost_nano {int} NOT NULL, baseline_nano {int} NOT NULL,
                confidence {real} NOT NULL, tools {flag} NOT NULL, images {flag} NOT NULL,
                stream {flag} NOT NULL, estimated {flag} NOT NULL, candidates {json} NOT NULL,
                skipped {json} NOT NULL, given_up {json} NOT NULL
            ){by_day}
            """,
            """
            CREATE TABLE series (
                id {int} PRIMARY KEY, policy TEXT NOT NULL, rule TEXT NOT NULL, task TEXT NOT NULL,
                backend TEXT NOT NULL, team TEXT NOT NULL, currency TEXT NOT NULL
            )
            """,
            f"""
            CREATE TABLE rollups (
                span_ms {{int}} NOT NULL, bucket_ms {{int}} NOT NULL, series {{int}} NOT NULL,
                {_sums(COUNTS, "int")}, {_sums((*DURATION, *FIRST_TOKEN), "bin")},
                PRIMARY KEY (span_ms, bucket_ms, series)
            ){{compact}}{{often}}
            """,
            """
            CREATE TABLE refused (
                spool TEXT NOT NULL, first {int} NOT NULL, events {int} NOT NULL,
                reason TEXT NOT NULL, came_ms {int} NOT NULL
            )
            """,
            "CREATE INDEX refused_came ON refused (came_ms)",
        ),
        back=(
            "DROP TABLE refused", "DROP TABLE rollups", "DROP TABLE series",
            "DROP TABLE {requests}", "DROP TABLE spools",
        ),
    ),
    Step(
        number=2,
        name="feedback",
        forward=(
            f"""
            CREATE TABLE feedback (
                decision TEXT NOT NULL, request_at_ms {{int}} NOT NULL, {_SAID}
            )
            """,
            "CREATE INDEX feedback_decision ON feedback (decision)",
            "CREATE INDEX feedback_request_at ON feedback (request_at_ms)",
            f"""
            CREATE TABLE pending (
                spool TEXT NOT NULL, number {{int}} NOT NULL, came_ms {{int}} NOT NULL,
                decision TEXT NOT NULL, response_id TEXT NOT NULL, {_SAID},
                PRIMARY KEY (spool, number)
            )
            """,
            "CREATE INDEX pending_decision ON pending (decision)",
            "CREATE INDEX pending_response ON pending (response_id)",
            "CREATE INDEX pending_came ON pending (came_ms)",
            *_each("ALTER TABLE rollups ADD COLUMN {name} {{int}} NOT NULL DEFAULT 0", QUALITY),
            "CREATE INDEX {requests}_decision ON {requests} (decision)",
            "CREATE INDEX {requests}_response ON {requests} (response_id) WHERE response_id <> ''",
        ),
        back=(
            "DROP INDEX {requests}_response", "DROP INDEX {requests}_decision",
            *_each("ALTER TABLE rollups DROP COLUMN {name}", QUALITY),
            "DROP TABLE pending", "DROP TABLE feedback",
        ),
    ),
    Step(
        number=3,
        name="text that policies let be kept",
        forward=(
            """
            CREATE TABLE texts (
                decision TEXT NOT NULL, at_ms {int} NOT NULL, expires_ms {int} NOT NULL,
                how TEXT NOT NULL, prompt TEXT NOT NULL, answer TEXT NOT NULL, cut {flag} NOT NULL
            )
            """,
            "CREATE INDEX texts_decision ON texts (decision)",
            "CREATE INDEX texts_expires ON texts (expires_ms)",
        ),
        back=("DROP TABLE texts",),
    ),
    Step(
        number=4,
        name="slices of budgets",
        forward=(
            """
            CREATE TABLE budgets (
                budget TEXT NOT NULL, from_ms {int} NOT NULL, until_ms {int} NOT NULL,
                granted {int} NOT NULL, used {int} NOT NULL, PRIMARY KEY (budget, from_ms)
            )
            """,
            "CREATE INDEX budgets_until ON budgets (until_ms)",
            """
            CREATE TABLE leases (
                holder TEXT NOT NULL, budget TEXT NOT NULL, from_ms {int} NOT NULL,
                until_ms {int} NOT NULL, granted {int} NOT NULL, used {int} NOT NULL,
                turn {int} NOT NULL, PRIMARY KEY (holder, budget, from_ms)
            )
            """,
            "CREATE INDEX leases_until ON leases (until_ms)",
        ),
        back=("DROP TABLE leases", "DROP TABLE budgets"),
    ),
    Step(
        number=5,
        name="replicas that are paid by the hour",
        forward=(
            f"""
            CREATE TABLE windows (
                account TEXT NOT NULL, from_ms {{int}} NOT NULL, at_ms {{int}} NOT NULL,
                backend TEXT NOT NULL, currency TEXT NOT NULL, {_sums(ADDED, "int")},
                PRIMARY KEY (account, from_ms)
            ){{compact}}
            """,
            "CREATE INDEX windows_at ON windows (at_ms)",
            f"""
            CREATE TABLE hosted (
                span_ms {{int}} NOT NULL, bucket_ms {{int}} NOT NULL, backend TEXT NOT NULL,
                currency TEXT NOT NULL, first_ms {{int}} NOT NULL, last_ms {{int}} NOT NULL,
                {_sums(ADDED, "int")}, PRIMARY KEY (span_ms, bucket_ms, backend, currency)
            ){{compact}}{{often}}
            """,
        ),
        back=("DROP TABLE hosted", "DROP TABLE windows"),
    ),
    Step(
        number=6,
        name="why a task was told",
        forward=("ALTER TABLE {requests} ADD COLUMN evidence {json} NOT NULL DEFAULT '[]'",),
        back=("ALTER TABLE {requests} DROP COLUMN evidence",),
    ),
    Step(
        number=7,
        name="what predictors choose and learn from",
        forward=(
            "ALTER TABLE {requests} ADD COLUMN complexity TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE {requests} ADD COLUMN domain TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE {requests} ADD COLUMN choice {json} NOT NULL DEFAULT 'null'",
            f"CREATE INDEX {{requests}}_failed ON {{requests}} (at_ms) WHERE {_FAILED}",
        ),
        back=(
            "DROP INDEX {requests}_failed",
            *_each("ALTER TABLE {{requests}} DROP COLUMN {name}",
                   ("choice", "domain", "complexity")),
        ),
    ),
    Step(
        number=8,
        name="answers to golden prompts",
        forward=(
            """
            CREATE TABLE evaluations (
                id TEXT PRIMARY KEY, at_ms {int} NOT NULL, suite TEXT NOT NULL,
                content TEXT NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL,
                task TEXT NOT NULL, prompt TEXT NOT NULL, currency TEXT NOT NULL,
                reported_model TEXT NOT NULL, fingerprint TEXT NOT NULL, missing TEXT NOT NULL,
                run {int} NOT NULL, latency_us {int} NOT NULL, input_tokens {int} NOT NULL,
                output_tokens {int} NOT NULL, cost_nano {int} NOT NULL, score_micro {int}
            ){compact}
            """,
            "CREATE INDEX evaluations_at ON evaluations (at_ms)",
            "CREATE INDEX evaluations_of ON evaluations (suite, backend, at_ms)",
        ),
        back=("DROP TABLE evaluations",),
    ),
    Step(
        number=9,
        name="classes of data",
        forward=("ALTER TABLE {requests} ADD COLUMN data_class TEXT NOT NULL DEFAULT ''",),
        back=("ALTER TABLE {requests} DROP COLUMN data_class",),
    ),
    Step(
        number=10,
        name="reviews and the audit trail",
        forward=REVIEWS,
        back=REVIEWS_BACK,
        after=GUARD,
        before=GUARD_BACK,
    ),
    Step(
        number=11,
        name="decisions by their time",
        forward=("CREATE INDEX {requests}_at ON {requests} (at_ms)",),
        back=("DROP INDEX {requests}_at",),
    ),
)  # fmt: skip
VERSION: Final = len(STEPS)
VERSIONS_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS pointsman_schema (version {int} PRIMARY KEY, name TEXT NOT NULL)"
)


def render(statement: str, dialect: Dialect) -> str:
    """In the words of a dialect; {requests} stays."""
    for word, meaning in _WORDS[dialect].items():
        statement = statement.replace(word, meaning)
    return statement


def steps(dialect: Dialect, at: int, to: int) -> list[tuple[int, str, list[str]]]:
    """(version after the step, its name, statements) from one version to another."""
    if to >= at:
        chosen = [
            (one.number, one.name, (*one.forward, *one.after.get(dialect, ())))
            for one in STEPS[at:to]
        ]
    else:
        chosen = [
            (one.number - 1, one.name, (*one.before.get(dialect, ()), *one.back))
            for one in reversed(STEPS[to:at])
        ]
    return [
        (number, name, [render(statement, dialect) for statement in statements])
        for number, name, statements in chosen
    ]
