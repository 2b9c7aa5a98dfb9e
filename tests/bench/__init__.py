"""The bench: a real Kubernetes control plane, no Docker. `python -m tests.bench up` tries it."""

from tests.bench.build import BuildFailed
from tests.bench.client import Cluster, CommandFailed
from tests.bench.cluster import Bench
from tests.bench.control_plane import BenchBroken
from tests.bench.kubelet.control import Refused
from tests.bench.netns import NoNamespace

__all__ = [
    "Bench",
    "BenchBroken",
    "BuildFailed",
    "Cluster",
    "CommandFailed",
    "NoNamespace",
    "Refused",
]
