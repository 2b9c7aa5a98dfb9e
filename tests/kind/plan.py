"""What is run on kind, in order: pure; and what this machine lacks for it, said in one sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLUSTER: Final = "pointsman-e2e"
IMAGES: Final = ("operator", "router", "ledger")
NODES: Final = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - role: worker
  - role: worker
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and for how long it may run."""

    says: str
    command: tuple[str, ...]
    seconds: int


def lacking(which: Callable[[str], str | None], docker_says: str | None) -> str:
    """Why kind cannot run here, or nothing; `docker_says`: the error of `docker info`, if any."""
    if which("docker") is None:
        return "kind needs Docker: the command `docker` is not installed"
    if docker_says:
        return f"kind needs a Docker engine, and `docker info` says: {docker_says}"
    return ""


def steps(kind: Path, folder: Path) -> list[Step]:
    """Up to the tests: a cluster whose nodes have the images of `folder`, its kubeconfig there."""
    tool = str(kind)
    named = ("--name", CLUSTER)
    create = (
        "create", "cluster", *named, "--config", str(folder / "kind.yaml"),
        "--kubeconfig", str(folder / "kubeconfig"), "--wait", "180s",
    )  # fmt: skip
    loads = [
        Step(
            f"loading the image {image}",
            (tool, "load", "image-archive", str(folder / f"{image}.tar"), *named),
            300,
        )
        for image in IMAGES
    ]
    return [Step("creating the cluster", (tool, *create), 900), *loads]


def tests(python: str, more: Sequence[str]) -> Step:
    """The same end-to-end tests as on the bench."""
    return Step("tests/e2e", (python, "-m", "pytest", "-q", "tests/e2e", *more), 3600)


def delete(kind: Path) -> Step:
    """The end of the cluster, whatever came before."""
    return Step("deleting the cluster", (str(kind), "delete", "cluster", "--name", CLUSTER), 300)
