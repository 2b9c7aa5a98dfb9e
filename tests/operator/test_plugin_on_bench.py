"""`kubectl pointsman ...` by kubectl's own plugin mechanism, on a control plane."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.cli.migration.conversion import imported
from tests.bench import Bench
from tests.cli.migration.configs import EXAMPLE
from tests.e2e.fleet import CALLER_KEY, RELEASE, Fleet, install
from tests.operator.objects import backend, policy, target
from tests.operator.test_on_bench import apply

pytestmark = pytest.mark.bench
NAMESPACE = "plugin-bench"


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with two backends and a policy, all ready."""
    found = install(bench, NAMESPACE)
    desk = policy(default={"targets": [target("a"), target("b")]})
    apply(found, backend("a"), backend("b"), desk)
    found.wait_ready("modelbackends", "routingpolicies")
    yield found
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """kubectl-pointsman is beside this Python; what completes it, as an installation has it."""
    program = tmp_path / "kubectl_complete-pointsman"
    body = "import sys\nfrom pointsman.cli.__main__ import complete\nsys.exit(complete())\n"
    program.write_text(f"#!{sys.executable}\n{body}")
    program.chmod(0o755)
    return tmp_path


def types(fleet: Fleet, programs: Path, *words: str, status: int = 0) -> str:
    """What `kubectl words` prints; its exit status has to be this one."""
    environment = fleet.bench.environment()
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    done = subprocess.run(
        ["kubectl", *words], env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


def test_kubectl_finds_the_plugin(fleet: Fleet, programs: Path) -> None:
    """By its name; its status is the fleet's."""
    assert "kubectl-pointsman" in types(fleet, programs, "plugin", "list")
    told = types(fleet, programs, "pointsman", "status", "-n", NAMESPACE)
    rows = {line.split()[0]: line.split() for line in told.splitlines() if line}
    assert rows["desk"][1] == rows["a"][1] == rows["b"][1] == "True"
    assert rows["desk"][4] == "3/3"
    assert NAMESPACE in types(fleet, programs, "pointsman", "status", "-A")
    names = types(fleet, programs, "pointsman", "status", "-n", NAMESPACE, "-o", "name").split()
    assert names == [
        "routingpolicy.pointsman.dev/desk",
        "modelbackend.pointsman.dev/a",
        "modelbackend.pointsman.dev/b",
    ]
    kept = types(fleet, programs, "get", *names, "-n", NAMESPACE, "-o", "name").split()
    assert kept == names


def test_what_is_not_ready_is_exit_status_1(fleet: Fleet, programs: Path) -> None:
    """With its reason on the page."""
    apply(fleet, policy("lost", model_names=("lost",), default={"targets": [target("ghost")]}))
    fleet.bench.wait_for(
        lambda: fleet.condition("routingpolicy", "lost", "Ready").get("status") == "False", 30,
        "the operator's word",
    )  # fmt: skip
    told = types(fleet, programs, "pointsman", "status", "-n", NAMESPACE, status=1)
    assert "RoutingPolicy/lost: Ready=False" in told
    fleet.kubectl("delete", "routingpolicy", "lost")


def test_top_sees_requests_in_work(fleet: Fleet, programs: Path) -> None:
    """Through the API server, of all routers."""
    done = threading.Event()

    def ask() -> None:
        with fleet.client(fleet.routers()[0]) as sdk:
            message = {"role": "user", "content": "Write a long story."}
            while not done.is_set():
                sdk.chat.completions.create(
                    model="auto", messages=[message], max_tokens=200  # type: ignore[list-item]
                )  # fmt: skip

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        fleet.bench.wait_for(lambda: _in_work(fleet, programs) > 0, 60, "a request in work")
    finally:
        done.set()
        asking.join()
    told = types(fleet, programs, "pointsman", "top", "-n", NAMESPACE)
    rows = [line.split() for line in told.splitlines()]
    assert rows[0] == ["BACKEND", "IN-WORK", "HELD", "QUEUE", "REPLICAS"]
    assert {row[0] for row in rows[1:]} == {"a", "b"}


def _in_work(fleet: Fleet, programs: Path) -> int:
    told = types(fleet, programs, "pointsman", "top", "-n", NAMESPACE, "-o", "json")
    return sum(int(one["inWork"]) for one in json.loads(told)["items"])


def test_watch_prints_what_changes(fleet: Fleet, programs: Path) -> None:
    """A new backend appears by itself; Ctrl-C is 130."""
    environment = fleet.bench.environment()
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    command = ["kubectl", "pointsman", "status", "-n", NAMESPACE, "-w", "--every", "500ms"]
    # Whoever runs tests in the background has them ignore SIGINT, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        watching = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("POLICY")
        apply(fleet, backend("late"))
        for line in watching.stdout:
            if line.startswith("late "):
                break
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=20)
    assert watching.returncode == 130
    fleet.kubectl("delete", "modelbackend", "late")


def test_nothing_waits_for_approval(fleet: Fleet, programs: Path) -> None:
    """And a model is approved in YAML."""
    assert types(fleet, programs, "pointsman", "approve", "-n", NAMESPACE) == ""
    types(fleet, programs, "pointsman", "approve", "a", "-n", NAMESPACE, status=1)


def test_kubectl_completes_the_plugins_words(fleet: Fleet, programs: Path) -> None:
    """As its shell integration asks: commands, and names of the cluster."""
    assert types(fleet, programs, "__complete", "pointsman", "sta").splitlines()[:1] == ["status"]
    words = ("__complete", "pointsman", "rollout", "status", "-n", NAMESPACE, "d")
    assert types(fleet, programs, *words).splitlines()[:1] == ["desk"]


def test_who_may_not_is_told(fleet: Fleet, programs: Path) -> None:
    """A kubeconfig without rights: 1, and what the API server says."""
    file = fleet.bench.service_account_kubeconfig(NAMESPACE, "default")
    words = ("pointsman", "status", "-n", NAMESPACE, "--kubeconfig", str(file))
    assert types(fleet, programs, *words, status=1) == ""


def test_the_callers_key_is_no_word_of_the_page(fleet: Fleet, programs: Path) -> None:
    """Nor is the name of the release's Secret."""
    told = types(fleet, programs, "pointsman", "status", "-n", NAMESPACE, "-o", "yaml")
    assert CALLER_KEY not in told
    assert RELEASE + "-callers" not in told
    assert os.environ.get("KUBECONFIG") != str(fleet.bench.kubeconfig)


def test_what_was_imported_is_applied_and_keeps_its_keys(fleet: Fleet, tmp_path: Path) -> None:
    """The API server takes it; a comment's command fills a Secret, and applying keeps that."""
    made = imported(EXAMPLE.read_text(), {}).files()
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    fleet.kubectl("apply", "-f", f"{tmp_path}/")
    (command,) = re.findall(
        r"^#   (printf .*AZURE_API_KEY.*\\\n#.*\\\n#.*)$", made["secrets.yaml"], re.MULTILINE
    )
    script = command.replace("\n#", "\n").replace("kubectl ", f"kubectl -n {NAMESPACE} ")
    environment = fleet.bench.environment() | {"AZURE_API_KEY": "sk-of-the-bench"}
    subprocess.run(["bash", "-ec", script], env=environment, check=True, timeout=60)
    fleet.kubectl("apply", "-f", f"{tmp_path}/")
    secret = fleet.get("secret", "azure-api-key")
    assert base64.b64decode(secret["data"]["api-key"]) == b"sk-of-the-bench"
    assert secret["metadata"]["labels"] == {"pointsman.dev/credential": "true"}
    fleet.kubectl("delete", "-f", f"{tmp_path}/")
