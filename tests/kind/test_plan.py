"""The plan of `make e2e-kind`, as far as it can be tested without Docker."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.bench.build import build
from tests.kind import plan
from tests.kind.__main__ import KIND, ROOT


def test_without_docker_it_says_so_in_one_line() -> None:
    """Both what is missing and what Docker itself said."""
    assert "`docker` is not installed" in plan.lacking(lambda _: None, None)
    said = plan.lacking(lambda _: "/usr/bin/docker", "Cannot connect to the Docker daemon")
    assert said.endswith("says: Cannot connect to the Docker daemon")
    assert plan.lacking(lambda _: "/usr/bin/docker", None) == ""


def test_the_cluster_has_our_images_before_the_tests_run() -> None:
    """Created first, every image loaded, and never the caller's own kubeconfig."""
    steps = plan.steps(Path("/k/kind"), Path("/tmp/x"))

    assert steps[0].command[1:3] == ("create", "cluster")
    assert "/tmp/x/kubeconfig" in steps[0].command
    loaded = [step.command[3] for step in steps[1:]]
    assert loaded == [f"/tmp/x/{image}.tar" for image in plan.IMAGES]
    assert all(plan.CLUSTER in step.command for step in (*steps, plan.delete(Path("/k/kind"))))


def test_there_are_two_workers_so_that_a_node_can_be_drained() -> None:
    """kind reads its own kind of file."""
    roles = [node["role"] for node in yaml.safe_load(plan.NODES)["nodes"]]

    assert roles.count("worker") == 2


@pytest.mark.local
def test_without_an_engine_the_command_ends_with_2(tmp_path: Path) -> None:
    """It builds nothing and creates nothing before it knows."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.kind"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("not run: kind needs Docker")


@pytest.mark.bench
def test_kind_is_built_from_its_module() -> None:
    """The version that go.mod pins."""
    said = subprocess.run(
        [build(KIND), "version"], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout.startswith("kind v0.33.0")
