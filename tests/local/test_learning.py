"""`pointsman up` learns from feedback: ratings in, other backends asked, and `explain` says why."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.local.running import Up, run, up

pytestmark = pytest.mark.local

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "15-predictor"
QUESTION = "Write a Python function that reverses a linked list."


def post(url: str, body: object, **headers: str) -> dict[str, str]:
    """The headers of the answer, names in lower case; raises if it is none."""
    data = json.dumps(body).encode()
    lines = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, data, lines)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}


def ask(url: str, text: str, **headers: str) -> dict[str, str]:
    """Of a question; a rule sends it where its metadata says."""
    message = {"role": "user", "content": text}
    metadata = {"to": headers.pop("to")} if "to" in headers else {}
    body = {"model": "learned", "messages": [message], "metadata": metadata}
    return post(f"{url}/chat/completions", body, **headers)


def rate(running: Up, count: int, *, good: str) -> None:
    """So many questions to each of two backends; the answers of one are good."""
    for number in range(count):
        for backend in ("learned-qwen", "learned-kimi"):
            said = ask(running.url, f"{QUESTION} Number {number}.", to=backend)
            assert said["x-pointsman-backend"] == backend
            told = {"decision_id": said["x-pointsman-decision-id"], "score": float(backend == good)}
            post(f"{running.url}/feedback", told)


def test_who_is_rated_better_answers(tmp_path: Path) -> None:
    """Also after the end, for who asks the file."""
    folder, ledger = tmp_path / "desk", tmp_path / "ledger.db"
    shutil.copytree(EXAMPLE, folder)
    policy = folder / "policy.yaml"
    rules = "".join(
        f"    - name: to-{name}\n      match: {{metadata: {{to: {name}}}}}\n"
        f"      targets: [{{backendRef: {{name: {name}}}}}]\n"
        for name in ("learned-qwen", "learned-kimi")
    )
    policy.write_text(policy.read_text().replace("  rules:\n", f"  rules:\n{rules}"))
    with up(str(folder), "--port", "0", "--time-scale", "50", "--ledger", str(ledger)) as running:
        url = running.url
        running.wait_for("ready")
        running.wait_for("predictor: knows what is published")
        rate(running, 25, good="learned-kimi")
        running.wait_for("predictor: learned from ratings: learned-qwen 2")
        said = ask(url, QUESTION, **{"x-pointsman-debug": "true"})
        assert said["x-pointsman-backend"] == "learned-kimi"
        choice = json.loads(said["x-pointsman-predictor"])
        assert (choice["backend"], choice["why"]) == ("learned-kimi", "Best")
        decision = said["x-pointsman-decision-id"]
    was = run("explain", "--decision", decision, "--ledger", str(ledger))
    assert "predictor: chooses learned-kimi (Best)" in was.stdout, was.stdout + was.stderr
    asked = ("explain", "-f", str(folder), "--prompt", QUESTION)
    told = run(*asked, "--learned", "--ledger", str(ledger))
    assert told.stdout.startswith("backend   learned-kimi"), told.stdout + told.stderr
    assert "learned from" in told.stdout
    fresh = run(*asked)
    assert fresh.stdout.startswith("backend   learned-qwen")
