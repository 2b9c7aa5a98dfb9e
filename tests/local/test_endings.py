"""Ctrl-C and SIGTERM at every stage of `pointsman up`: no traceback, nobody left."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import openai
import pytest

from tests.local.running import DEADLINE_S, Up, command, environment, run, started, up

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(sys.platform != "linux", reason="not run: processes are found in /proc"),
]
FLEET = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: first}
spec: {model: m, replicas: 2, deployment: {engine: Simulator}}
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: crashing}
spec:
  model: m
  deployment: {engine: Custom, image: none, command: [sh, -c, "sleep 600 & exit 1"], port: 1}
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: first}}]}
"""
STUBBORN = """\
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: stubborn}
spec:
  model: m
  deployment:
    engine: Custom
    image: none
    command: [sh, -c, "trap '' TERM; sleep 600 & while :; do wait; done"]
    port: 2
"""


def marked(mark: str) -> list[str]:
    """Command lines of the living processes that have the mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # ended meanwhile
            continue
    return found


def at_once(_: Up, __: str) -> None:
    """Before Python runs a line of ours."""


def importing(_: Up, mark: str) -> None:
    """The interpreter runs."""
    end = time.monotonic() + DEADLINE_S
    while not any("pointsman.cli" in line for line in marked(mark)):
        assert time.monotonic() < end


def listening(running: Up, _: str) -> None:
    """The model servers are being started."""
    running.wait_for("listening on ")


def first_server(_: Up, mark: str) -> None:
    """One server has been started, others have not."""
    end = time.monotonic() + DEADLINE_S
    while not any("pointsman.simulator" in line for line in marked(mark)):
        assert time.monotonic() < end


def failing(running: Up, _: str) -> None:
    """A server waits for its next start."""
    running.wait_for("backend crashing: PodFailing")


def serving(running: Up, _: str) -> None:
    """The simulators answer."""
    running.wait_for("backend first: Ready")


def models(url: str) -> str:
    """What `/v1/models` answers."""
    with urllib.request.urlopen(f"{url}/models", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


@contextmanager
def marking(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A mark that every process inherits; at the end none that has it may live."""
    name, value = "POINTSMAN_TEST_MARK", uuid.uuid4().hex
    with monkeypatch.context() as patch:
        patch.setenv(name, value)
        yield f"{name}={value}"
    assert marked(f"{name}={value}") == []


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        *product(
            [at_once, importing, listening, first_server, failing, serving],
            [signal.SIGINT, signal.SIGTERM],
        ),
        (serving, signal.SIGHUP),
    ],
)
def test_no_process_is_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: Callable[[Up, str], None],
    number: signal.Signals,
) -> None:
    """Neither servers nor what they started, also of one that crashes all the time."""
    (tmp_path / "all.yaml").write_text(FLEET)
    with marking(monkeypatch) as mark, up(str(tmp_path), "--port", "0") as running:
        stage(running, mark)
        running.process.send_signal(number)
        status = running.process.wait(timeout=DEADLINE_S)
        running.read()

    if stage in (at_once, importing):
        # -number: before it could take signals itself; 1: while the interpreter still starts.
        unborn = any("Fatal Python error: init_" in line for line in running.lines)
        assert status in ({1} if unborn else {0, 130, -number}), running.lines
        assert not [line for line in running.lines if "pointsman/cli" in line], running.lines
    else:
        assert status == 0
        assert running.lines[-1] == "stopping: finishing what runs; once more ends it at once"


def test_a_server_that_ignores_sigterm_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SIGKILL, after its time of grace; with all that it started."""
    (tmp_path / "all.yaml").write_text(FLEET + STUBBORN)
    with marking(monkeypatch), up(str(tmp_path), "--port", "0") as running:
        running.wait_for("backend first: Ready")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=DEADLINE_S) == 0


def test_whoever_reads_the_lines_may_go(tmp_path: Path) -> None:
    """`pointsman up | head -1`: it goes on serving, and ends well."""
    (tmp_path / "all.yaml").write_text(FLEET)
    with up(str(tmp_path), "--port", "0") as running:
        url = running.url
        running.wait_for("backend first: Ready")
        assert running.process.stdout is not None
        running.process.stdout.close()
        (tmp_path / "all.yaml").write_text(FLEET.replace("[chat]", "[chat, other]"))
        end = time.monotonic() + DEADLINE_S
        while "other" not in models(url):
            assert time.monotonic() < end
        running.process.send_signal(signal.SIGTERM)

        assert running.process.wait(timeout=DEADLINE_S) == 0


def at_terminal() -> None:
    """In the child: its output is the terminal of its session, which hears of its end."""
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)


def test_a_terminal_that_closes_is_an_end_like_others(tmp_path: Path) -> None:
    """Nobody takes its words any more: what was asked is in the ledger, exit 0, no traceback."""
    (tmp_path / "all.yaml").write_text(FLEET)
    words = command("up", str(tmp_path), "--port", "0", "--ledger", str(tmp_path / "ledger.db"))
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=at_terminal, env=environment(),  # noqa: PLW1509 - the tests have no threads
    )  # fmt: skip
    os.close(theirs)
    try:
        said = b""
        while not (b"ledger: at" in said and b"backend first: Ready" in said):
            said += os.read(ours, 65536)
        found = re.search(r"http://\S+/v1", said.decode())
        assert found is not None
        with openai.OpenAI(base_url=found[0], api_key="k", max_retries=0) as sdk:
            sdk.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "x"}], max_tokens=1
            )
        os.close(ours)
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, errors) == (0, b"")
    finally:
        process.kill()
        process.wait()
    report = run("report", "--db", str(tmp_path / "ledger.db"), "-o", "json")
    assert [line["requests"] for line in json.loads(report.stdout)["totals"]] == [1]


def test_with_nohup_it_outlives_its_terminal(tmp_path: Path) -> None:
    """A shell that ends takes nothing along; SIGTERM still ends it."""
    (tmp_path / "all.yaml").write_text(FLEET)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with up(str(tmp_path), "--port", "0") as running:
            url = running.url
            running.process.send_signal(signal.SIGHUP)
            running.wait_for("backend first: Ready")
            running.process.send_signal(signal.SIGHUP)
            assert '"chat"' in models(url)
            running.process.send_signal(signal.SIGTERM)
            running.wait_for("stopping")
            running.process.send_signal(signal.SIGHUP)
            assert running.process.wait(timeout=DEADLINE_S) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("stage", ["starting the fleet", "ready after "])
def test_the_demo_ends_before_its_table(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Whoever has seen enough does not wait for three days to pass."""
    with marking(monkeypatch), started("demo", "--port", "0") as running:
        running.wait_for(stage)
        running.process.send_signal(signal.SIGINT)
        status = running.process.wait(timeout=DEADLINE_S)
        running.read()

    assert (status, running.lines[-1]) == (1, "stopped before the table")
    assert not any("Serving" in line for line in running.lines)


def test_a_demo_that_has_ended_names_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo ONCE=1`: nobody would answer there."""
    with marking(monkeypatch), started("demo", "--once", "--requests", "4", "--port", "0") as demo:
        for stage in ("ready after ", "largest: everything to ", "That was all."):
            demo.wait_for(stage)
        status = demo.process.wait(timeout=DEADLINE_S)
        demo.read()

    after = "\n".join(demo.lines).partition("largest: everything to ")[2]
    assert status == 0
    assert "127.0.0.1" not in after
    assert "Try it" not in after
