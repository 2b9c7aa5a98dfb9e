"""A rollout of `pointsman up` that answers unseen first."""

import itertools
import json
import re
import time
import urllib.request
from pathlib import Path

import pytest

from tests.local.running import DEADLINE_S, Up, up

pytestmark = pytest.mark.local
BACKENDS = "".join(
    f"""\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec: {{model: m-{name}, deployment: {{engine: Simulator, args: [{args}]}}}}
---
"""
    for name, args in (("old", ""), ("new", ""), ("bad", "--error-rate=1.0"), ("judge", ""))
)
POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: BACKEND}}]}
  rollout:
    shadow: {percent: 100, minPairs: 40JUDGE}
    steps: [{weightPercent: 50, minRequests: 1, minDuration: 1s}]
"""


def _write(file: Path, backend: str, judge: str = "") -> None:
    asked = f", judge: {{backendRef: {{name: {judge}}}}}" if judge else ""
    file.write_text(BACKENDS + POLICY.replace("BACKEND", backend).replace("JUDGE", asked))


def _ask(url: str, conversations: int, of: str) -> set[str]:
    """Who answered."""
    found = set()
    for number in range(conversations):
        content = f"{of} {number}"
        body = {
            "model": "chat",
            "max_tokens": 8,
            "messages": [{"role": "user", "content": content}],
        }
        request = urllib.request.Request(
            f"{url}/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found.add(answer.headers["x-pointsman-backend"])
    return found


def _ask_until_unjudged(session: Up) -> None:
    """Requests, of which the first come before routers mirror any; none makes a pair."""
    end_s = time.monotonic() + DEADLINE_S
    for number in itertools.count():
        assert _ask(session.url, 10, f"d{number}") == {"old"}
        session.read()
        said = "\n".join(session.lines)
        if re.search(r"0 of 40 pairs, 0\.00 USD spent, [1-9]\d* not judged", said):
            return
        assert time.monotonic() < end_s, said
        time.sleep(0.5)  # counts are told each 15 s


@pytest.mark.timeout(600)
def test_a_bad_candidate_is_found_unseen_and_a_good_one_goes_on(tmp_path: Path) -> None:
    """In one process as in a cluster; a judge that says nothing of use judges nothing."""
    file = tmp_path / "fleet.yaml"
    _write(file, "old")
    with up(str(file), "--port", "0") as session:
        session.wait_for("ready")
        assert _ask(session.url, 4, "a") == {"old"}
        _write(file, "bad")
        session.wait_for("RolloutBegun")
        session.wait_for("answers 100 % unseen")
        assert _ask(session.url, 45, "b") == {"old"}
        assert "GuardrailFailed" in session.wait_for("RolloutAborted")
        assert _ask(session.url, 4, "c") == {"old"}

        _write(file, "new", "judge")
        session.wait_for("RolloutBegun", times=2)
        _ask_until_unjudged(session)

        _write(file, "new")
        assert _ask(session.url, 45, "e") == {"old"}
        session.wait_for("RolloutShadowPassed")
        session.wait_for("50 % go to")
        assert _ask(session.url, 32, "f") == {"old", "new"}
