"""The charts' own pods run as they say they do: seen from inside the containers."""

import json
import urllib.error
import urllib.request

import pytest

from tests.bench import CommandFailed
from tests.e2e.fleet import CALLER_KEY, RELEASE
from tests.pods.real.conftest import Release
from tests.pods.real.objects import container, python, restricted, router_image

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
STORE = "/var/lib/pointsman/ledger.db"
LOOK = """
import json, os
said = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
try:
    open('/written', 'w')
    root = 'writable'
except OSError as error:
    root = error.strerror
print(json.dumps({
    'uid': os.getuid(), 'gid': os.getgid(), 'root': root,
    'caps': said['CapBnd'].strip(), 'seccomp': said['Seccomp'].strip(),
    'nnp': said['NoNewPrivs'].strip(), 'pid1': open('/proc/1/cmdline').read().split('\\0')[:2],
}))
"""


def pods_of(release: Release) -> list[str]:
    """All pods of the release and of the backends' simulators."""
    return release.fleet.kubectl("get", "pods", "-o", "name").replace("pod/", "").split()


def test_the_nodes_are_real(release: Release) -> None:
    """Both are Ready; they say which kubelet and which containerd they are."""
    nodes = json.loads(release.bench.kubectl("get", "nodes", "-o", "json"))["items"]
    about = [node["status"]["nodeInfo"] for node in nodes]

    assert [node["metadata"]["name"] for node in nodes] == ["node-0", "node-1"]
    assert {each["kubeletVersion"] for each in about} == {"v1.37.2"}
    assert all(each["containerRuntimeVersion"].startswith("containerd://") for each in about)


def test_every_container_is_confined_as_restricted_says(release: Release) -> None:
    """No root, no capability, a seccomp filter, no new privileges, a root that is read-only."""
    names = pods_of(release)
    for component in ("router", "operator", "ledger"):
        assert any(f"{RELEASE}-{component}" in name for name in names)
    for name in names:
        seen = json.loads(python(release.bench, release.fleet.namespace, name, LOOK))
        assert (seen["uid"], seen["gid"]) == (65532, 65532), name
        assert seen["root"] == "Read-only file system", name
        assert int(seen["caps"], 16) == 0, name
        assert (seen["seccomp"], seen["nnp"]) == ("2", "1"), name


def test_the_memory_limit_is_the_kernels(release: Release) -> None:
    """512 MiB for a router, in the cgroup that the kubelet made."""
    code = (
        "import pathlib; v1 = pathlib.Path('/sys/fs/cgroup/memory/memory.limit_in_bytes');"
        "print((v1 if v1.exists() else pathlib.Path('/sys/fs/cgroup/memory.max')).read_text())"
    )
    router = release.fleet.pods("router")[0]["metadata"]["name"]

    said = python(release.bench, release.fleet.namespace, router, code)

    assert int(said) == 512 * 2**20


def test_the_namespace_refuses_what_is_not_restricted(release: Release) -> None:
    """The API server says which rule of Pod Security a pod breaks."""
    image = router_image(release.fleet)
    fine = restricted("fine", ["pointsman-simulator", "--help"], image=image)
    assert "created (server dry run)" in release.fleet.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=json.dumps(fine)
    )
    escalation = {"allowPrivilegeEscalation": True}
    for more, named in (
        (escalation, "allowPrivilegeEscalation"),
        (escalation | {"privileged": True}, "privileged"),  # one without the other is no pod at all
        ({"runAsUser": 0}, "runAsUser"),
        ({"capabilities": {}}, "unrestricted capabilities"),
    ):
        bad = json.loads(json.dumps(fine))
        bad["spec"]["containers"][0]["securityContext"] |= more
        with pytest.raises(CommandFailed, match=f"violates PodSecurity.*{named}"):
            release.fleet.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(bad))


def test_the_service_answers_from_outside_and_from_a_pod(release: Release) -> None:
    """By its cluster IP from the node, and by its name from a pod: kube-proxy sends both on."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    request = urllib.request.Request(
        f"{release.url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {CALLER_KEY}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["choices"][0]["finish_reason"]

    name = f"{RELEASE}-router.{release.fleet.namespace}.svc"
    code = (
        "import urllib.request as u, urllib.error as e\n"
        f"try: print(u.urlopen('http://{name}/v1/models', timeout=20).status)\n"
        "except e.HTTPError as error: print(error.code)"
    )
    ledger = f"{RELEASE}-ledger-0"
    assert python(release.bench, release.fleet.namespace, ledger, code).strip() == "401"


def test_what_routers_saw_is_in_the_ledgers_volume(release: Release) -> None:
    """Events travel by the ledger's Service name; its file is on the claimed volume."""
    fleet = release.fleet
    assert fleet.get("pvc", f"store-{RELEASE}-ledger-0")["status"]["phase"] == "Bound"
    code = f"""
import sqlite3
db = sqlite3.connect('file:{STORE}?mode=ro', uri=True)
tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
days = [one for one in tables if one == 'requests' or one.startswith('requests_')]
print(sum(db.execute('select count(*) from ' + one).fetchone()[0] for one in days))
"""

    def recorded() -> bool:
        said = python(release.bench, fleet.namespace, f"{RELEASE}-ledger-0", code)
        return int(said) > 0

    release.bench.wait_for(recorded, 90, "events in the ledger")


def test_a_killed_container_is_started_again_in_its_pod(release: Release) -> None:
    """SIGKILL past the kubelet: the same pod, one restart more, ready again."""
    fleet = release.fleet
    pod = fleet.pods("router")[0]["metadata"]
    before = container(fleet, pod["name"])["restartCount"]

    release.bench.kill(fleet.namespace, pod["name"])

    def again() -> bool:
        now = container(fleet, pod["name"])
        return bool(now["restartCount"] == before + 1 and now["ready"])

    release.bench.wait_for(again, 120, "the container's restart")
    assert fleet.get("pod", pod["name"])["metadata"]["uid"] == pod["uid"]
