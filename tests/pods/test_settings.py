"""What a node is told, and what a machine must have: pure, and so tested without either."""

import hashlib
import json
import tarfile
import tomllib
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from tests.pods import machine, settings
from tests.pods.images import write_single
from tests.pods.inside import OWN
from tests.pods.node import make_cgroup, remove_cgroup
from tests.pods.settings import Plan


def plan(index: int, folder: Path = Path("/f/pointsman-node-x")) -> Plan:
    return Plan(index, folder / f"node-{index}", folder / "kubeconfig", folder / "ca.crt")


def test_nodes_share_no_address_and_no_cgroup() -> None:
    """Neither their own, nor one of those that their pods get."""
    plans = [plan(index) for index in range(3)]
    ranges = []
    for each in plans:
        scope = json.loads(settings.cni(each))["plugins"][0]["ipam"]["ranges"][0][0]
        first, last = IPv4Address(scope["rangeStart"]), IPv4Address(scope["rangeEnd"])
        assert first in IPv4Network(scope["subnet"])
        assert last in IPv4Network(scope["subnet"])
        assert first > IPv4Address(plans[-1].address)
        ranges.append((first, last))
    for (_, last), (first, _) in combinations(ranges, 2):
        assert last < first
    assert len({each.cgroup for each in plans}) == len({each.address for each in plans}) == 3


def test_containerd_reads_its_settings(tmp_path: Path) -> None:
    """TOML, with the image that holds a pod's namespaces and nothing from a registry."""
    told = tomllib.loads(settings.containerd(plan(0, tmp_path)))
    cri = told["plugins"]["io.containerd.grpc.v1.cri"]

    assert cri["sandbox_image"] == settings.PAUSE_IMAGE
    assert told["root"].startswith(str(tmp_path))
    assert any(told["state"] == own for own in OWN)


def test_a_kubelet_lets_nobody_in_without_a_name_and_touches_no_disk_limits() -> None:
    """It asks the API server who may; how full this machine's disk is evicts nobody."""
    told = settings.kubelet(plan(0))

    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["authorization"] == {"mode": "Webhook"}
    assert set(told["evictionHard"].values()) == {"0%"}


def test_only_the_first_node_runs_kube_proxy() -> None:
    """All nodes share the bench's network, whose rules are written once."""
    assert "kube-proxy" in settings.commands(plan(0), Path("/b"))
    assert "kube-proxy" not in settings.commands(plan(1), Path("/b"))


@pytest.mark.parametrize(
    ("root", "linux", "controllers", "says"),
    [
        (True, True, machine.CONTROLLERS, ""),
        (True, True, None, ""),
        (False, True, None, "root"),
        (True, False, None, "Linux"),
        (True, True, machine.CONTROLLERS - {"pids"}, "not mounted: pids"),
    ],
)
def test_what_is_missing_is_said(
    root: bool, linux: bool, controllers: frozenset[str] | None, says: str
) -> None:
    """Nothing where all is there; else the first thing that is not."""
    said = machine.lacks(root=root, linux=linux, controllers=controllers)

    assert (says in said) if says else (said == "")


def test_cgroups_are_recognized_by_version(tmp_path: Path) -> None:
    """One of version 2 has one list of controllers; version 1 has a folder for each."""
    for name in ("cpu", "memory", "other"):
        (tmp_path / name).mkdir()
        if name != "other":
            (tmp_path / name / "tasks").touch()
    assert machine.mounted_controllers(tmp_path) == frozenset({"cpu", "memory"})
    (tmp_path / "cgroup.controllers").touch()
    assert machine.mounted_controllers(tmp_path) is None


def test_a_cgroup_is_removed_with_all_below_it(tmp_path: Path) -> None:
    """A folder that containers' cgroups are in goes from the bottom up."""
    make_cgroup(tmp_path, "/mine")
    (tmp_path / "mine" / "kubepods" / "pod1").mkdir(parents=True)

    remove_cgroup(tmp_path, "/mine")

    assert list(tmp_path.iterdir()) == []


def test_the_pause_image_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    """An OCI layout: every blob is named by its digest, the layer holds the binary alone."""
    binary = tmp_path / "pause"
    binary.write_bytes(b"static")
    one = write_single(tmp_path / "1.tar", name=settings.PAUSE_IMAGE, binary=binary).read_bytes()
    two = write_single(tmp_path / "2.tar", name=settings.PAUSE_IMAGE, binary=binary).read_bytes()
    assert one == two
    with tarfile.open(tmp_path / "1.tar") as tar:
        blobs = {one.name: tar.extractfile(one) for one in tar if one.name.startswith("blobs/")}
        for name, file in blobs.items():
            assert file is not None
            assert name == f"blobs/sha256/{hashlib.sha256(file.read()).hexdigest()}"
        index = tar.extractfile("index.json")
        assert index is not None
        named = json.load(index)["manifests"][0]["annotations"]
    assert named["io.containerd.image.name"] == settings.PAUSE_IMAGE
