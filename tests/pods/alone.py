"""A kubelet alone: one node in a network of its own, without a control plane; pods by file."""

import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import netns
from tests.bench.build import NODE, PAUSE, build
from tests.bench.control_plane import BenchBroken, Processes
from tests.pods import machine
from tests.pods.images import write_single
from tests.pods.node import Node, sweep
from tests.pods.settings import PAUSE_IMAGE, READ_ONLY_PORT, Plan

Json = dict[str, Any]


class Alone:
    """One node, and what its kubelet says of its pods."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.folder = folder

    def until_parts_run(self) -> None:
        """containerd and kubelet are there."""
        self.until("", lambda _: self.node.part_pid("kubelet") != 0, "kubelet")

    def run(self, pod: Json) -> None:
        """As a static pod."""
        name = pod["metadata"]["name"]
        whole = pod | {"metadata": pod["metadata"] | {"namespace": "default"}}
        (self.node.plan.manifests / f"{name}.json").write_text(json.dumps(whole))

    def end(self, name: str) -> None:
        """Its file goes; the kubelet ends it in its own time."""
        (self.node.plan.manifests / f"{name}.json").unlink()

    def status(self, name: str) -> Json:
        """Of a pod; empty while there is none."""
        address = f"http://{self.node.plan.address}:{READ_ONLY_PORT}/pods"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                items = json.load(answer)["items"] or ()
        except OSError:
            return {}
        wanted = f"{name}-{self.node.plan.name}"
        found: list[Json] = [one["status"] for one in items if one["metadata"]["name"] == wanted]
        return found[0] if found else {}

    def container(self, name: str) -> Json:
        """Of a pod's first container; empty before there is one."""
        found: Json = (self.status(name).get("containerStatuses") or [{}])[0]
        return found

    def until(self, name: str, so: Callable[[Json], bool], what: str) -> Json:
        """The container's status, once it is so; BenchBroken after two minutes."""
        end_s = time.monotonic() + 120
        while not so(found := self.container(name)):
            if time.monotonic() > end_s:
                raise BenchBroken(f"no {what}: {found}\n{self.node.tails()}")
            time.sleep(0.3)
        return found


@contextmanager
def standing(images: Sequence[Path] = ()) -> Iterator[Alone]:
    """A node with these images; nothing of it is left afterwards."""
    machine.prepare()
    node_binary, pause_binary = build(NODE), build(PAUSE)
    folder = Path(tempfile.mkdtemp(prefix="pointsman-node-"))
    (folder / "log").mkdir()
    (folder / "ca.crt").touch()
    leave = netns.enter_new()
    processes = Processes(folder / "log")
    plan = Plan(
        index=0,
        folder=folder / "node-0",
        kubeconfig=None,
        ca_file=folder / "ca.crt",
        snapshotter=machine.snapshotter(),
        owner=os.getpid(),
    )
    node = Node(plan, node_binary, processes, folder / "log")
    try:
        sweep()
        node.start()
        node.wait_for_containerd()
        pause = write_single(folder / "pause.tar", name=PAUSE_IMAGE, binary=pause_binary)
        for tar in (pause, *images):
            node.run_ctr("images", "import", str(tar))
        yield Alone(node, folder)
    finally:
        node.close()
        processes.close()
        leave()
        machine.remove(folder)
