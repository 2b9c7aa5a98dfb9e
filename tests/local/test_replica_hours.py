"""Local mode measures its processes by the hour, with the operator's code."""

import json
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from pointsman.api.manifests import load
from pointsman.events.schema import Replicas, decode
from pointsman.local.metering import LocalMeter
from pointsman.router.live import Live
from tests.local.running import run, up

FILES = """
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: own}
spec:
  model: own
  deployment: {engine: Simulator, args: ["--ttft=1ms"]}
  replicas: 2
  cost: {replicaHour: "3600", currency: EUR}
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [auto]
  default: {targets: [{backendRef: {name: own}}]}
"""


@pytest.mark.local
def test_a_session_tells_what_its_processes_cost(tmp_path: Path) -> None:
    """Two processes at a unit of money a second."""
    file, ledger = tmp_path / "own.yaml", tmp_path / "ledger.db"
    file.write_text(FILES)
    begun_s = time.monotonic()
    with up(str(file), "--port", "0", "--ledger", str(ledger)) as running:
        url = running.url
        running.wait_for("backend own: Ready")
        running.wait_for("ledger: at ")
        with openai.OpenAI(base_url=url, api_key="-", max_retries=0) as client:
            client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=3
            )
    longest_s = time.monotonic() - begun_s
    told = run("report", "--db", str(ledger), "-o", "json")
    assert told.returncode == 0, told.stderr
    summary: dict[str, Any] = json.loads(told.stdout)
    (own,) = summary["hosted"]
    seconds = own["replica_ms"] / 1000
    assert 0.5 < seconds <= 2 * longest_s
    assert own["cost_nano"] == pytest.approx(seconds * 10**9, abs=10)
    assert (own["backend"], own["currency"], own["requests"]) == ("own", "EUR", 1)
    assert own["per_request_nano"] == own["cost_nano"]
    bill = next(one for one in summary["bills"] if one["currency"] == "EUR")
    assert (bill["requests_nano"], bill["total_nano"]) == (0, own["cost_nano"])


def test_a_session_has_its_own_accounts(tmp_path: Path) -> None:
    """Of a file that is run twice in five minutes both count; what is gone from it has ended."""
    file = tmp_path / "own.yaml"
    file.write_text(FILES)
    backends = {one.value.metadata.name: one.value for one in load([file]).backends}
    told: list[bytes] = []
    for _ in range(2):
        meter = LocalMeter(told.append, Live())
        meter.follow(backends, ["own/0", "own/1", "other/0"])
        meter.follow({}, [])
        assert told
        meter.end()
    events = [decode(line) for line in told]
    assert len({one.account for one in events if isinstance(one, Replicas)}) == 2
