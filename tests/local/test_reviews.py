"""`pointsman up` on the example with human review: held, decided, answered."""

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.local.running import DEADLINE_S, Up, up

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "25-human-review"
Json = dict[str, Any]


def ask(url: str, body: Json | None = None) -> Json:
    """The ledger, as whoever is on this machine."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: Json = json.load(answer)
        return found


def waiting(reviews: str, rule: str) -> Json:
    """The one of this rule that waits."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        listed = ask(f"{reviews}?state=Pending")["reviews"]
        found = [one for one in listed if one["rule"] == rule]
        if found:
            return dict(found[0])
        time.sleep(0.05)
    raise AssertionError("nothing waits")


def approve(running: Up, rule: str) -> Json:
    """What waits, where the ledger is said to be."""
    line = running.wait_for("ledger: at http://127.0.0.1")
    reviews = "http://" + line.partition("at http://")[2].split()[0].rstrip(",/")
    reviews += "/v1/people/reviews"
    one = waiting(reviews, rule)
    ask(f"{reviews}/{one['id']}/claim", {})
    body = {"verdict": "approve", "request_hash": one["request_hash"]}
    return ask(f"{reviews}/{one['id']}/decide", body)


@pytest.mark.local
def test_the_example_waits_for_a_person() -> None:
    """A refund before a model sees it, legal advice before its reader; the rest goes on."""
    with up(str(EXAMPLE), "--port", "0", "--time-scale", "20") as running:
        url = running.url
        running.wait_for("ready")
        running.wait_for("ledger: at http://127.0.0.1")
        with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=90) as sdk:

            def call(desk: str, **metadata: str) -> Any:
                return sdk.chat.completions.with_raw_response.create(
                    model="careful",
                    messages=[{"role": "user", "content": "May I?"}],
                    extra_headers={"x-desk": desk},
                    max_tokens=5,
                    metadata=metadata or openai.omit,
                )

            assert "x-pointsman-review" not in call("other").headers
            escalated = call("other", data_class="Confidential").headers
            assert escalated["x-pointsman-review"] == "escalated"
            assert escalated["x-pointsman-backend"] == "careful-own"

            with ThreadPoolExecutor(1) as callers:
                for desk in ("refunds", "legal"):
                    held = callers.submit(call, desk)
                    assert approve(running, desk)["state"] == "Approved"
                    assert held.result(DEADLINE_S).headers["x-pointsman-review"] == "approved"
    assert running.process.returncode == 0
