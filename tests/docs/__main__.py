"""`python -m tests.docs PAGE ...`: the pages' cluster blocks on a fresh control plane, in order.

Exit status: 0 as shown, 1 astray, 75 no control plane can run here.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.bench import Bench, BenchBroken, BuildFailed, NoNamespace
from tests.docs.snippets import Snippet
from tests.docs.walk import Astray, Walk, take_all, walking

NAMESPACE = "models"
NO_BENCH = 75


def _helm(bench: Bench, folder: Path) -> str:
    """A folder with a `helm`: the bench has it inside its one binary."""
    command = folder / "helm"
    command.write_text(f'#!/bin/sh\nexec {bench.binary} helm "$@"\n')
    command.chmod(0o755)
    return str(folder)


def _a_router(bench: Bench) -> str:
    """What a port-forward would lead to; the bench's kubelet forwards no ports."""
    pods = bench.list("pods", NAMESPACE, "app.kubernetes.io/component=router")
    ready = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    return f"http://{ready[0]['status']['podIP']}:8080"


def _clear(bench: Bench) -> None:
    """The next page begins with an empty cluster again."""
    releases = json.loads(bench.helm("list", "--all-namespaces", "-o", "json"))
    for release in releases:
        bench.helm("uninstall", release["name"], "--namespace", release["namespace"])
    bench.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")

    def is_gone() -> bool:
        there = bench.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name")
        return not there.strip()

    bench.wait_for(is_gone, 300, f"the end of the namespace {NAMESPACE}")


def walk_all(bench: Bench, pages: list[Path]) -> None:
    """Raises Astray at the first block that does something else than its page says."""
    with tempfile.TemporaryDirectory() as folder:
        environment = bench.environment()
        environment["PATH"] = f"{_helm(bench, Path(folder))}:{environment['PATH']}"
        for page in pages:
            with walking(environment) as walk:

                def before(snippet: Snippet, walk: Walk = walk) -> None:
                    if "$ROUTER" in snippet.text:
                        walk.export("ROUTER", _a_router(bench))

                count = take_all(page, "cluster", walk, before)
            print(f"{page.name}: {count} blocks did what they show", flush=True)
            _clear(bench)


def main() -> int:
    """Run the pages that are named."""
    try:
        with Bench() as bench:
            walk_all(bench, [Path(name).resolve() for name in sys.argv[1:]])
    except Astray as error:
        print(error, file=sys.stderr)
        return 1
    except (BuildFailed, NoNamespace, BenchBroken, OSError) as error:
        print(f"no bench: {error}", file=sys.stderr)
        return NO_BENCH
    return 0


if __name__ == "__main__":
    sys.exit(main())
