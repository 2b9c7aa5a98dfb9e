"""Ours: the data plane with a fixed table (tests/perf/plane.py), from the tree or compiled.

Behind `image-` it runs as in the router's image: Debian's Python, its dependencies, compiled.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from images import assemble

from tests import compiled
from tests.images import build
from tests.perf.peers.proxy import Proxy, Start, until_answers
from tests.perf.processes import line, started

BARE = "bare"
COMPILED = ("compiled-plain", "compiled-tasks")
IN_IMAGE = ("image-plain", "image-tasks")
OURS = (BARE, "plain", "tasks", *COMPILED, *IN_IMAGE)


def in_image() -> tuple[list[str], dict[str, str]]:
    """The command of the image's Python, and its environment. Raises as tests.images.build does."""
    here = assemble.processor_here()
    site = build.added("router", here) / assemble.SITE
    return build.interpreter(build.base(here), here), {"PYTHONPATH": f"{site}:{build.ROOT}"}


def ours(kind: str) -> Start:
    """The data plane with the table of plane.py; see the module for what may stand before it."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        table = kind.removeprefix("compiled-").removeprefix("image-")
        module = ("tests.perf.bare",) if kind == BARE else ("tests.perf.plane", table)
        python, more = [sys.executable], compiled.environment() if kind in COMPILED else {}
        if kind in IN_IMAGE:
            python, more = in_image()
        command = (*python, "-m", *module, *map(str, ports))
        began_s = time.monotonic()
        with started(core, *command, **more) as child:
            port = int(line(child))
            until_answers(kind, port, child)
            yield Proxy(kind, port, [child.pid], time.monotonic() - began_s)

    return start
