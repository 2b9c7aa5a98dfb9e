"""Files that change while `pointsman up` runs, and servers that fail: what is said of it."""

import json
import os
import signal
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.local.running import DEADLINE_S, Up, model_servers, up

pytestmark = pytest.mark.local

BACKEND = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: first}
spec: {model: m, deployment: {engine: Simulator}}
"""
POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: first}}]}
"""
CUSTOM = """\
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: %s}
spec: {model: m, deployment: {engine: Custom, image: none, command: %s, port: %d}}
"""
EXTERNAL = """\
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: provider}
spec:
  model: m
  external: {url: "https://api.example.com/v1", credentialsSecretRef: {name: key}}
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: elsewhere}
spec: {model: m, service: {name: ollama, port: 11434}}
"""

PROVIDER = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: provider}
spec: {model: m, external: {url: "%s"}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with one backend and one policy."""
    (tmp_path / "backend.yaml").write_text(BACKEND)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def serves(running: Up, name: str) -> bool:
    """Whether `/v1/models` has the name now."""
    with urllib.request.urlopen(f"{running.url}/models", timeout=30) as answer:
        return f'"{name}"' in answer.read().decode()


def ask(running: Up) -> str:
    """The backend that answers."""
    body = {"model": "chat", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    asked = urllib.request.Request(
        f"{running.url}/chat/completions", json.dumps(body).encode(),
        {"content-type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return str(answer.headers["x-pointsman-backend"])


def until_serves(running: Up, name: str) -> None:
    """Wait until callers can name it."""
    end = time.monotonic() + DEADLINE_S
    while not serves(running, name):
        assert time.monotonic() < end, running.lines


def test_what_is_deleted_is_refused_while_it_is_needed(files: Path) -> None:
    """The policy's backend goes: what ran goes on. Both go with a new one: they are removed."""
    with up(str(files), "--port", "0") as running:
        running.wait_for("ready")
        (files / "backend.yaml").unlink()
        line = running.wait_for("refused, what ran goes on: ")
        assert line.endswith("no ModelBackend first among these files")
        assert serves(running, "chat")
        (files / "backend.yaml").write_text(BACKEND)
        running.wait_for("the files are valid again")
        new = (BACKEND + "---\n" + POLICY).replace("first", "second").replace("desk", "other")
        (files / "new.yaml").write_text(new.replace("[chat]", "[next]"))
        running.wait_for("backend second: Ready")
        (files / "policy.yaml").unlink()
        (files / "backend.yaml").unlink()
        running.wait_for("policy desk: removed")
        running.wait_for("backend first: removed")
        until_serves(running, "next")
        assert not serves(running, "chat")


def test_the_only_file_is_deleted_and_comes_back(files: Path) -> None:
    """Named as a file, not by its folder: it is looked for until it is there again."""
    one = files / "one.yaml"
    one.write_text(f"{BACKEND}---\n{POLICY}")
    with up(str(one), "--port", "0") as running:
        running.wait_for("ready")
        one.unlink()
        line = f"refused, what ran goes on: {one}: No such file or directory"
        assert running.wait_for("refused") == line
        one.write_text(f"{BACKEND}---\n{POLICY}".replace("[chat]", "[chat, more]"))
        running.wait_for("the files are valid again")
        until_serves(running, "more")


def test_files_are_watched_wherever_they_are(files: Path) -> None:
    """Also below folders that watchers of sources leave out."""
    below = files / ".git" / "node_modules" / ".venv"
    below.mkdir(parents=True)
    for name in ("backend.yaml", "policy.yaml"):
        (files / name).rename(below / name)
    with up(str(below), "--port", "0") as running:
        running.wait_for("ready")
        for name in ("more", "other"):  # the first may be seen as watching begins
            (below / "policy.yaml").write_text(POLICY.replace("[chat]", f"[chat, {name}]"))
            until_serves(running, name)


def test_a_broken_file_is_told_once_and_its_mending_too(files: Path) -> None:
    """Also when what stands there again is what ran all the time."""
    with up(str(files), "--port", "0") as running:
        running.wait_for("ready")
        (files / "policy.yaml").write_text(POLICY.replace("desk}", "desk"))
        running.wait_for("policy.yaml:")
        (files / "policy.yaml").write_text(POLICY)
        running.wait_for("the files are valid again")
        refusals = [line for line in running.lines if line.startswith("refused")]

    assert len(refusals) == 1
    assert f"{files}/policy.yaml:" in refusals[0]


def test_every_way_a_server_fails_is_the_backends_condition(files: Path) -> None:
    """Not found, exit 1, no key, no Service: each backend says its own; the others answer."""
    (files / "more.yaml").write_text(
        CUSTOM % ("absent", "[no-such-server]", 18701)
        + CUSTOM % ("dying", '[sh, -c, "echo one; echo two; exit 7"]', 18702)
        + EXTERNAL
    )
    with up(str(files), "--port", "0") as running:
        absent = running.wait_for("backend absent: PodFailing")
        dying = running.wait_for("backend dying: PodFailing")
        running.wait_for("backend first: Ready")
        provider = running.wait_for("backend provider: SecretNotFound")
        elsewhere = running.wait_for("backend elsewhere: ServiceNotFound")
        log = Path(dying.rpartition(", log ")[2])
        assert log.read_text().startswith("one\ntwo\n")
        assert serves(running, "chat")

    assert absent.endswith(
        "cannot start 'no-such-server': No such file or directory; it is tried again and again"
    )
    assert "ended with exit code 7: one | two; it is tried again and again, log " in dying
    assert provider.endswith("no Secret key among these files")
    assert elsewhere.endswith(
        "the annotation pointsman.dev/local-address: HOST:PORT says where it is"
    )
    assert not any("Traceback" in line for line in running.lines)
    assert not log.exists()


def test_a_killed_model_server_is_told_and_started_again(files: Path) -> None:
    """The condition goes from Ready to PodFailing and back."""
    with up(str(files), "--port", "0") as running:
        running.wait_for("backend first: Ready")
        (server,) = model_servers(running.process.pid)
        seen = len(running.lines)
        os.kill(server, signal.SIGKILL)
        assert "signal SIGKILL" in running.wait_for("backend first: PodFailing")
        end = time.monotonic() + DEADLINE_S
        while "backend first: Ready" not in running.lines[seen:]:
            running.read()
            assert time.monotonic() < end, running.lines
        assert model_servers(running.process.pid) != [server]


def test_a_provider_that_refuses_the_key_is_told_though_others_answer(files: Path) -> None:
    """Once, and that it answers again; so is one that nobody listens for."""
    refused = True

    class Provider(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """401, or an answer."""
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"choices": [{"message": {"content": "hi"}}]}'
            self.send_response(401 if refused else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        (files / "more.yaml").write_text(PROVIDER % url)
        (files / "policy.yaml").write_text(
            POLICY.replace(
                "{name: first}}]", "{name: provider}}], fallback: {chain: [{name: first}]}"
            )
        )
        with up(str(files), "--port", "0") as running:
            running.wait_for("backend first: Ready")
            for _ in range(2):
                assert ask(running) == "first"
            state = f"backend provider: External {url}"
            running.wait_for(f"{state}; requests get no answer there: HTTP 401")
            refused = False
            assert ask(running) == "provider"
            end = time.monotonic() + DEADLINE_S
            while running.lines.count(state) < 2:
                running.read()
                assert time.monotonic() < end, running.lines
            assert sum("HTTP 401" in line for line in running.lines) == 1
            server.shutdown()
            server.server_close()
            assert ask(running) == "first"
            running.wait_for("no answer there: connection refused")
