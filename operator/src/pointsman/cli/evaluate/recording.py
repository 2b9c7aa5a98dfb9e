"""Results on their way to the ledger: frames over HTTP; sent again, they change nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from pointsman.cli.straight import NoToken, Refused, Unanswered, asked, bearer
from pointsman.events import frames
from pointsman.events.schema import SCHEMA, Evaluation, encode

EACH: Final = 500
"""Events of a frame: some 250 KB."""
TIMEOUT_S: Final = 30.0


class NotRecorded(Exception):
    """The text says why."""


def record(url: str, events: Sequence[Evaluation], token_file: Path | None) -> int:
    """How many events the ledger has now. Raises NotRecorded."""
    headers = {"Content-Type": "application/octet-stream"}
    try:
        headers |= bearer(token_file) if token_file is not None else {}
    except NoToken as error:
        raise NotRecorded(f"--ledger-token-file {error}") from None
    spool = f"evaluate-{uuid4().hex}"
    for first in range(0, len(events), EACH):
        part = [encode(one) for one in events[first : first + EACH]]
        _send(url, frames.build(SCHEMA, spool, first + 1, part), headers)
    return len(events)


def _send(url: str, frame: bytes, headers: dict[str, str]) -> None:
    try:
        asked(
            f"{url}/v1/events", timeout_s=TIMEOUT_S, most_bytes=65536, headers=headers, body=frame
        )
    except Refused as error:
        raise NotRecorded(f"{url} says {error.status}: {_reason(error.body)}") from None
    except Unanswered as error:
        raise NotRecorded(f"{url}: {error}") from None


def _reason(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "nothing more"
    return str(found.get("reason", ""))[:300] if isinstance(found, dict) else "nothing more"
