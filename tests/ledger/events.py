"""Events and frames of the ledger's tests."""

from collections.abc import Sequence
from typing import Any

from pointsman.events import frames, schema
from pointsman.events.schema import WINDOW_MS, Event, Feedback, Replicas, Request
from pointsman.ledger.batches import Batch, read

NOW_MS = 1_795_000_000_000
"""2026-11-18T11:06:40Z."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SPOOL = "spool-00000001"


def request(number: int = 1, **fields: Any) -> Request:
    """One of team `blue`, answered in 100 ms for a millionth."""
    values: dict[str, Any] = {
        "decision": f"d-{number}",
        "at_ms": NOW_MS,
        "policy": "support",
        "revision": "r1",
        "rule": "code",
        "task": "coding",
        "team": "blue",
        "caller": "app",
        "backend": "small",
        "status": 200,
        "outcome": "Ok",
        "duration_us": 100_000,
        "first_token_us": 20_000,
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nano": 1_000,
        "currency": "USD",
        "response_id": f"resp-{number}",
    }
    return Request(**(values | fields))


def feedback(number: int = 1, **fields: Any) -> Feedback:
    """The caller of `request` found the answer good."""
    values: dict[str, Any] = {
        "id": f"f-{number}",
        "at_ms": NOW_MS,
        "decision": f"d-{number}",
        "caller": "app",
    }
    said = fields.keys() & {"score", "good", "verdict", "comment", "signal", "demonstration"}
    return Feedback(**(values | ({} if said else {"good": True}) | fields))


def window(number: int = 0, **fields: Any) -> Replicas:
    """Two replicas of `own` all through it, for 2.50 an hour each; one of them idle."""
    values: dict[str, Any] = {
        "account": "uid-1",
        "backend": "own",
        "from_ms": NOW_MS - NOW_MS % HOUR_MS + number * WINDOW_MS,
        "replica_ms": 2 * WINDOW_MS,
        "watched_ms": WINDOW_MS,
        "idle_ms": WINDOW_MS,
        "cost_nano": 416_666_667,
        "idle_nano": 208_333_333,
        "currency": "USD",
    }
    return Replicas(**(values | fields))


def frame(
    events: Sequence[Event | bytes], first: int = 1, spool: str = SPOOL, version: int = 1
) -> bytes:
    """Encoded; bytes are lines as they are."""
    encoded = [one if isinstance(one, bytes) else schema.encode(one) for one in events]
    return frames.build(version, spool, first, encoded)


def batch(events: Sequence[Event | bytes], first: int = 1, spool: str = SPOOL) -> Batch:
    """As the ledger reads it."""
    return read(frame(events, first, spool))
