"""`status`, `top` and `approve` against a kubectl of files, as a user types them."""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from pointsman.cli.__main__ import main
from pointsman.cli.listing.page import Column, Page, Table, age
from pointsman.cli.listing.showing import show
from tests.cli.people.clusters import Cluster, backend, condition, policy

Capture = pytest.CaptureFixture[str]
FIGURES = """\
# HELP pointsman_router_in_flight Requests sent.
pointsman_router_in_flight{backend="busy"} 7.0
pointsman_router_in_flight{backend="idle"} 0.0
pointsman_router_held{backend="busy"} 2.0
pointsman_router_attempts_total{backend="busy",outcome="Answered"} 90.0
broken line
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """First on the PATH."""
    found = Cluster(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return found


def test_status_is_the_fleet_on_one_page(cluster: Cluster, capsys: Capture) -> None:
    """Columns as kubectl prints them; all ready is exit status 0."""
    cluster.has(backend("small"), policy("desk"))
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "POLICY", "READY", "MODELS", "REVISION", "ROUTERS", "ROLLOUT", "AGE",
    ]  # fmt: skip
    assert lines[1].split()[:6] == ["desk", "True", "auto", "desk-1", "3/3", "<none>"]
    assert lines[3].split() == ["BACKEND", "READY", "REPLICAS", "QUEUE", "MODEL", "REASON", "AGE"]
    assert lines[4].split()[:6] == ["small", "True", "2/2", "5", "m", "Serving"]


def test_status_says_why_something_is_not_ready(cluster: Cluster, capsys: Capture) -> None:
    """And ends with 1."""
    cluster.has(
        policy("desk", condition("Ready", "False", "BackendNotFound", "no ModelBackend x")),
        backend("small", condition("Ready", "True"), condition("Drifted", "True", "Worse", "by 9")),
        backend("new", condition("Ready", "True"), condition("Vetted", "False", "NotApproved", "")),
    )
    assert main(["status"]) == 1
    told = capsys.readouterr().out
    assert "RoutingPolicy/desk: Ready=False, BackendNotFound: no ModelBackend x" in told
    assert "ModelBackend/small: Drifted=True, Worse: by 9" in told
    assert "ModelBackend/new: Vetted=False, NotApproved" in told


def test_status_says_what_answers_nobody_though_it_is_ready(
    cluster: Cluster, capsys: Capture
) -> None:
    """A key that is missing, or refused: as it was asked for, and no use."""
    ready = condition("Ready", "True")
    cluster.has(
        policy("desk", ready, condition("Programmed", "True", "KeyMissing", "r1: no Secret k")),
        policy("calm", ready, condition("Programmed", "True", "Programmed", "2 of 2")),
        backend("cloud", ready, condition("Degraded", "True", "RequestsFail", "Http401")),
    )
    assert main(["status"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == [
        "RoutingPolicy/desk: Programmed=True, KeyMissing: r1: no Secret k",
        "ModelBackend/cloud: Degraded=True, RequestsFail: Http401",
    ]


def test_status_shows_rollouts_and_reviews(cluster: Cluster, capsys: Capture) -> None:
    """What waits for a person, and the command for it."""
    rollout = {"phase": "Paused", "message": "waits in step 1", "weights": {"verified": 25}}
    waits = [condition("Ready", "True"), condition("AwaitingApproval", "True")]
    cluster.has(policy("desk", *waits, rollout=rollout))
    cluster.pods("ledgers", "pointsman-ledger-0")
    cluster.file(
        "ledger.txt",
        'pointsman_ledger_reviews_pending{mode="Hold",priority="High"} 2.0\n'
        'pointsman_ledger_reviews_pending{mode="Flag",priority="Low"} 1.0\n',
    )
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert "Paused 25%" in told
    assert "rollout of desk: Paused, waits in step 1" in told
    assert "pointsman approve desk" in told
    assert "reviews in team-a: 3 requests wait for a reviewer" in told


def test_forms_of_output(cluster: Cluster, capsys: Capture) -> None:
    """json and yaml are the objects as a List, name is what kubectl takes, wide has more."""
    cluster.has(backend("small"), policy("desk"))
    assert main(["status", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["kind"], [one["kind"] for one in listed["items"]]) == (
        "List", ["RoutingPolicy", "ModelBackend"],
    )  # fmt: skip
    assert main(["status", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == listed
    assert main(["status", "-o", "name"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "routingpolicy.pointsman.dev/desk", "modelbackend.pointsman.dev/small",
    ]  # fmt: skip
    assert main(["status", "-o", "wide"]) == 0
    assert "ENDPOINT" in capsys.readouterr().out


def test_flags_reach_kubectl(cluster: Cluster, capsys: Capture) -> None:
    """-n, -A, --context and --kubeconfig; -A shows the namespaces."""
    cluster.has(backend("small"))
    assert main(["status", "-n", "team-a", "--context", "one", "--kubeconfig", "k"]) == 0
    assert cluster.calls[0].startswith("--context one --kubeconfig k --namespace team-a get ")
    capsys.readouterr()
    assert main(["status", "-A"]) == 0
    assert "--all-namespaces" in cluster.calls[-1]
    assert capsys.readouterr().out.startswith("NAMESPACE   BACKEND")


def test_an_empty_fleet_is_told(cluster: Cluster, capsys: Capture) -> None:
    """On standard error, as kubectl does."""
    assert main(["status"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "", "No ModelBackend, RoutingPolicy or EvaluationSuite found.\n",
    )  # fmt: skip


def test_no_kubectl_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """In one line, exit status 1."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in ("status", "top", "approve"):
        assert main([command]) == 1
        assert "there is no kubectl" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["status", "-o", "text"], ["top", "--every", "0s"], ["reviews"], ["approve", "a", "-A"]],
)
def test_wrong_usage_is_2(arguments: list[str], cluster: Cluster) -> None:
    """Whatever it is that is wrong."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(str(end.code))
    assert status == 2


def test_top_is_the_load_of_all_routers(cluster: Cluster, capsys: Capture) -> None:
    """Summed, the busiest first, beside the replicas."""
    cluster.has(backend("idle"), backend("busy", lastScale={"desired": 4, "reason": "LoadRose"}))
    cluster.pods("routers", "router-a", "router-b", "silent")
    cluster.file("router.txt", FIGURES)
    assert main(["top"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["BACKEND", "IN-WORK", "HELD", "QUEUE", "REPLICAS"]
    assert lines[1:3] == [["busy", "14", "4", "5", "2/2"], ["idle", "0", "0", "5", "2/2"]]
    assert " ".join(lines[-1]) == "1 of 3 routers could not be read"


def test_top_without_the_right_to_read_routers(cluster: Cluster, capsys: Capture) -> None:
    """Zeros would be a lie: it ends with 1."""
    cluster.has(backend("idle"))
    cluster.pods("routers", "silent")
    assert main(["top"]) == 1
    said = capsys.readouterr().err
    assert "the right to get pods/proxy" in said
    assert "networkPolicy.adminFrom" in said


def test_without_the_right_to_list_pods(cluster: Cluster, capsys: Capture) -> None:
    """`top` has nothing to tell, ends with 1 and says why; `status` leaves reviews out."""
    why = 'Error from server (Forbidden): pods is forbidden: User "ada" cannot list resource "pods"'
    cluster.has(backend("idle"))
    cluster.forbids_pods(f"{why}\n")
    for form in ([], ["-o", "json"]):
        assert main(["top", *form]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err == f"pointsman top: the routers' pods cannot be listed: {why}\n"
    assert main(["status"]) == 0
    told = capsys.readouterr()
    assert "idle" in told.out
    assert told.err == ""


class Metrics(BaseHTTPRequestHandler):
    """An admin port that only has figures."""

    def do_GET(self) -> None:
        """Always the same."""
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(FIGURES.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Nothing is printed."""


def test_top_of_routers_by_url(capsys: Capture) -> None:
    """Without a cluster; one that is away is exit status 1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert main(["top", "--router", url, "--router", f"{url}/", "-o", "json"]) == 0
        finally:
            server.shutdown()
    found = json.loads(capsys.readouterr().out)["items"]
    assert [(one["backend"], one["inWork"], one["held"]) for one in found] == [
        ("busy", "14", "4"), ("idle", "0", "0"),
    ]  # fmt: skip
    assert main(["top", "--router", url]) == 1
    assert "cannot be asked" in capsys.readouterr().err
    assert main(["top", "--router", "here"]) == 1
    assert "has to be a URL" in capsys.readouterr().err


def test_watch_prints_again_only_what_changed(capsys: Capture) -> None:
    """One page, then the next one when it is another, until Ctrl-C."""
    names = iter(["small", "small", "late"])
    waited: list[float] = []

    def look() -> Page:
        return Page(tables=(Table((Column("BACKEND"),), ((next(names),),)),))

    def wait(seconds: float) -> None:
        if len(waited) == 2:
            raise KeyboardInterrupt
        waited.append(seconds)

    options = argparse.Namespace(output=None, watch=True, every=5.0)
    with pytest.raises(KeyboardInterrupt):
        show(options, look, wait)
    assert capsys.readouterr().out == "BACKEND\nsmall\n\nBACKEND\nlate\n"
    assert waited == [5.0, 5.0]


@pytest.mark.parametrize(
    ("seconds", "told"), [(-5, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172_800, "2d")]
)
def test_ages_are_kubectls(seconds: float, told: str) -> None:
    """Short, and never below nothing."""
    assert age(seconds) == told


def test_approve_lists_what_waits(cluster: Cluster, capsys: Capture) -> None:
    """Without a name."""
    waits = condition("AwaitingApproval", "True")
    rollout = {"step": 1, "approvedBy": ["bob"], "message": "waits"}
    cluster.has(policy("desk", waits, rollout=rollout, candidateRevision="desk-2"), policy("other"))
    assert main(["approve"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [["team-a", "desk", "desk-2", "1", "bob"]]


def test_a_model_is_approved_in_yaml(cluster: Cluster, capsys: Capture) -> None:
    """It says so, and how."""
    cluster.file("backend-names", "modelbackend.pointsman.dev/small\n")
    assert main(["approve", "small"]) == 1
    told = capsys.readouterr().err
    assert "approved in YAML" in told
    assert "pointsman vet small" in told


@pytest.mark.parametrize(
    "words",
    [["rollout", "status", "desk", "--timeout", "0s"], ["adopt", "desk"], ["approve", "desk"]],
)
def test_every_command_of_a_cluster_takes_its_flags(
    words: list[str], cluster: Cluster, capsys: Capture
) -> None:
    """Also those that were there before, and what they call."""
    cluster.file("policy-names", "routingpolicy.pointsman.dev/desk\n")
    cluster.file("items.json", json.dumps(policy("desk")))
    main([*words, "-n", "team-a", "--context", "one", "--kubeconfig", "k"])
    flags = "--context one --kubeconfig k --namespace team-a "
    assert [call.startswith(flags) for call in cluster.calls] == [True] * len(cluster.calls)
    assert capsys.readouterr().err
