"""`pointsman up` as a user types it: a real process, real model servers, the real SDK."""

import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import openai
import pytest

from tests.local.running import DEADLINE_S, children, run, up, wait_until_gone

pytestmark = pytest.mark.local

EXAMPLES = Path(__file__).parent.parent.parent / "crds" / "examples"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A copy of the support desk that a test may edit."""
    return Path(shutil.copytree(EXAMPLES / "02-support-desk", tmp_path / "desk"))


def ask(url: str, prompt: str, *, model: str = "auto") -> tuple[str, str]:
    """(backend, text) by the real SDK."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=30) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": prompt}], max_tokens=4
        )
        return raw.headers["x-pointsman-backend"], raw.parse().choices[0].message.content or ""


def test_the_support_desk_answers_from_four_models(desk: Path) -> None:
    """The same YAML as in a cluster; each class lands at its model, which says its name."""
    with up(str(desk), "--port", "0", "--time-scale", "20") as running:
        url = running.url
        running.wait_for("ready")
        prompts = {
            "qwen-light": "How do I reset my password?",
            "deepseek-code": "Why does my_list[10] raise IndexError in Python?",
            "glm-multilingual": "Wie kann ich meine Rechnung ändern? Ich finde sie nicht mehr.",
        }
        answers = {backend: ask(url, prompt) for backend, prompt in prompts.items()}

    assert {backend: got for backend, (got, _) in answers.items()} == {b: b for b in prompts}
    assert "qwen3-8b" in answers["qwen-light"][1]
    assert running.process.returncode == 0


def test_a_broken_edit_is_refused_aloud_and_a_good_one_takes_effect(desk: Path) -> None:
    """What ran goes on until the file is right again."""
    policy = desk / "policy.yaml"
    good = policy.read_text()
    with up(str(desk), "--port", "0", "--time-scale", "20") as running:
        url = running.url
        running.wait_for("ready")
        policy.write_text(good.replace("modelNames:", "modelNmes:"))
        assert "refused, what ran goes on" in running.wait_for("modelNmes")
        assert ask(url, "How do I reset my password?")[0] == "qwen-light"
        policy.write_text(good.replace("modelNames: [auto]", "modelNames: [auto, other]"))
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                assert ask(url, "How do I reset my password?", model="other")[0] == "qwen-light"
                break
            except openai.NotFoundError:
                assert time.monotonic() < end, running.lines
                time.sleep(0.05)


def test_a_file_that_editors_replace_stays_watched(desk: Path, tmp_path: Path) -> None:
    """They write a new file and rename it over the old one; each time."""
    one, new = tmp_path / "one.yaml", tmp_path / "new"
    good = "\n---\n".join(path.read_text() for path in sorted(desk.iterdir()))
    one.write_text(good)
    with up(str(one), "--port", "0", "--time-scale", "20") as running:
        running.wait_for("ready")
        for number in range(3):
            new.write_text(good.replace("modelNames:", f"modelNmes{number}:"))
            new.rename(one)
            running.wait_for(f"modelNmes{number}")


def test_a_folder_that_is_made_anew_stays_watched(desk: Path, tmp_path: Path) -> None:
    """As a checkout of another branch does it."""
    kept = tmp_path / "kept"
    shutil.copytree(desk, kept)
    with up(str(desk), "--port", "0", "--time-scale", "20") as running:
        running.wait_for("ready")
        for number in range(2):
            shutil.rmtree(desk)
            shutil.copytree(kept, desk)
            (desk / f"z{number}.yaml").write_text("kind: [no]\n")
            running.wait_for(f"z{number}.yaml")


SECRETS = (
    "metadata: [name]",
    "metadata: {name: a, labels: [x], annotations: 5}",
    "metadata: {name: a, annotations: {pointsman.dev/allowed-hosts: [x]}}",
    "metadata: {name: a}\ndata: [x]\nstringData: text",
    "metadata: {name: a}\ndata: {a: ä, b: 5, c: ~}",
)


def test_a_secret_of_any_shape_stops_nothing(desk: Path) -> None:
    """Objects that are not ours are not checked, so they may hold anything: edits take effect."""
    policy = desk / "policy.yaml"
    with up(str(desk), "--port", "0", "--time-scale", "20") as running:
        url = running.url
        running.wait_for("ready")
        for number, secret in enumerate(SECRETS):
            (desk / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\n{secret}\n")
            wrong = desk / f"z{number}.yaml"
            wrong.write_text("kind: [now]\n")
            running.wait_for(wrong.name)
            wrong.unlink()
            text, name = policy.read_text(), f"other-{number}"
            policy.write_text(text.replace("[auto", f"[auto, {name}"))
            end = time.monotonic() + DEADLINE_S
            while True:
                try:
                    asked = ask(url, "How do I reset my password?", model=name)
                    assert asked[0] == "qwen-light", secret
                    break
                except openai.NotFoundError:
                    assert time.monotonic() < end, (secret, running.lines)
                    time.sleep(0.05)
        running.read()
    assert running.process.returncode == 0
    assert not any("Traceback" in line for line in running.lines)


def test_a_model_server_that_dies_at_start_is_told_with_its_last_words(desk: Path) -> None:
    """The backend's line names the cause; the fallback answers meanwhile."""
    qwen = desk / "qwen-light.yaml"
    qwen.write_text(qwen.read_text().replace("--ttft=120ms", "--no-such-flag"))
    with up(str(desk), "--port", "0", "--time-scale", "20") as running:
        url = running.url
        assert "no-such-flag" in running.wait_for("backend qwen-light: PodFailing")
        for name in ("glm-multilingual", "deepseek-code", "kimi-long"):
            running.wait_for(f"backend {name}: Ready")
        assert ask(url, "How do I reset my password?")[0] == "glm-multilingual"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("modelNames:", "modelNames: ["), "policy.yaml:"),
        (("modelNames:", "modelNmes:"), "modelNames"),
        (("name: kimi-long", "name: nobody"), "nobody"),
    ],
)
def test_files_with_errors_do_not_start(desk: Path, edit: tuple[str, str], expected: str) -> None:
    """Broken YAML, an unknown field, a missing backend: what is wrong, and a non-zero exit."""
    policy = desk / "policy.yaml"
    policy.write_text(policy.read_text().replace(*edit))
    ended = run("up", str(desk), "--port", "0")

    assert ended.returncode == 1
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_backends_of_one_name_do_not_start(desk: Path) -> None:
    """One of the two would silently win."""
    shutil.copy(desk / "qwen-light.yaml", desk / "qwen-again.yaml")
    ended = run("up", str(desk), "--port", "0")

    assert ended.returncode == 1
    assert "qwen-light" in ended.stderr


def test_a_missing_folder_and_a_port_in_use_are_one_clear_line(desk: Path) -> None:
    """No traceback, exit 1."""
    missing = run("up", str(desk / "nowhere"))
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run("up", str(desk), "--port", str(port))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; "
        "--port takes another one, --port 0 a free one\n"
    )


def test_sigkill_leaves_no_model_server_behind(desk: Path) -> None:
    """Model servers end with local mode, however it ends (Linux)."""
    if sys.platform != "linux":
        pytest.skip("not run: parent-death signals are Linux's")
    with up(str(desk), "--port", "0") as running:
        running.wait_for("ready")
        servers = children(running.process.pid)
        assert len(servers) == 5, "four model servers, and the ledger"
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(timeout=10)
        wait_until_gone(servers)
