"""Lines of traffic and ledgers of the command line's tests."""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pointsman.events.schema import Event
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import batch, feedback, request

EXAMPLES = Path(__file__).parent.parent.parent / "crds" / "examples"
DESK = EXAMPLES / "02-support-desk"
TEXTS = {
    "Chat": "How do I reset my password?",
    "Coding": "Why does my_list[10] raise IndexError in Python?",
    "German": "Wie kann ich meine Rechnung ändern? Ich finde sie nicht mehr.",
}


def body(text: str, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def write(path: Path, lines: Iterable[object]) -> Path:
    """One JSON document a line; texts and bytes as they are."""
    with path.open("wb") as file:
        for line in lines:
            data = line if isinstance(line, bytes) else None
            if data is None:
                text = line if isinstance(line, str) else json.dumps(line)
                data = text.encode("utf-8", "surrogatepass")
            file.write(data + b"\n")
    return path


def desk(count: int = 40) -> list[dict[str, Any]]:
    """Half chat, a quarter coding, a quarter German, each with its usage."""
    kinds = ("Chat", "Coding", "Chat", "German")
    return [
        {
            "request": body(f"{TEXTS[kinds[number % 4]]} ({number})", max_tokens=100),
            "response": {"usage": {"prompt_tokens": 20, "completion_tokens": 50 + number % 7}},
        }
        for number in range(count)
    ]


def ledger(path: Path, count: int = 60) -> Path:
    """Half to qwen-light in 100 ms, half of them good; half coding to deepseek-code, all good."""
    now_ms = time.time_ns() // 1_000_000
    events: list[Event] = []
    said: list[Event] = []
    for number in range(1, count + 1):
        coding = number % 2 == 0
        backend = "deepseek-code" if coding else "qwen-light"
        events.append(
            request(
                number, at_ms=now_ms - number, task="Coding" if coding else "Chat", language="en",
                backend=backend, candidates=(backend,), model=backend, context_tokens=20,
                policy="support-desk", rule="bug-report" if coding else "default",
                duration_us=400_000 if coding else 100_000,
            )
        )  # fmt: skip
        said.append(feedback(number, good=coding or number % 4 == 1))
    return stored(path, [*events, *said])


def stored(path: Path, events: Sequence[Event]) -> Path:
    """A ledger's file."""
    store = SqliteStore(path, keep_events_ms=30 * DAY_MS)
    store.open()
    store.ingest([batch(events)], time.time_ns() // 1_000_000)
    store.close()
    return path
