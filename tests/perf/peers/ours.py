"""Ours: the data plane with a fixed table (tests/perf/plane.py), from the tree or compiled."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests import compiled
from tests.perf.peers.proxy import Proxy, Start, until_answers
from tests.perf.processes import line, started

BARE = "bare"
COMPILED = ("compiled-plain", "compiled-tasks")
OURS = (BARE, "plain", "tasks", *COMPILED)


def ours(kind: str) -> Start:
    """The data plane with the table of plane.py; behind `compiled-` its compiled code."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        table = kind.removeprefix("compiled-")
        module = ("tests.perf.bare",) if kind == BARE else ("tests.perf.plane", table)
        more = compiled.environment() if table != kind else {}
        command = (sys.executable, "-m", *module, *map(str, ports))
        began_s = time.monotonic()
        with started(core, *command, **more) as child:
            port = int(line(child))
            until_answers(kind, port, child)
            yield Proxy(kind, port, [child.pid], time.monotonic() - began_s)

    return start
