"""Results on their way to the ledger: frames over HTTP; sent again, they change nothing."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from pointsman.cli.straight import asked as asked_straight
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
    if token_file is not None:
        try:
            headers["Authorization"] = f"Bearer {token_file.read_text().strip()}"
        except (OSError, UnicodeDecodeError) as error:
            raise NotRecorded(f"{token_file}: {error}") from None
    spool = f"evaluate-{uuid4().hex}"
    for first in range(0, len(events), EACH):
        part = [encode(one) for one in events[first : first + EACH]]
        _send(url, frames.build(SCHEMA, spool, first + 1, part), headers)
    return len(events)


def _send(url: str, frame: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(  # noqa: S310 - the flag's type takes http and https only
        f"{url}/v1/events", data=frame, headers=headers, method="POST"
    )
    try:
        with asked_straight(request, TIMEOUT_S) as answer:
            answer.read(65536)
    except urllib.error.HTTPError as error:
        with error:
            raise NotRecorded(f"{url} says {error.code}: {_reason(error.read(65536))}") from None
    except (OSError, ValueError) as error:
        raise NotRecorded(f"{url}: {error}") from None


def _reason(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "nothing more"
    return str(found.get("reason", ""))[:300] if isinstance(found, dict) else "nothing more"
