"""Put other projects' CRDs and promtool into the cache: `make test` does it before a test
hides the network."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.fixtures import required
from tests.monitoring.crds import ALL, NoCrds, crds
from tests.monitoring.promtool import NoPromtool, promtool

missing = 0
fetches: tuple[Callable[[], Path], ...] = (
    *(functools.partial(crds, module) for module in ALL),
    promtool,
)
for fetch in fetches:
    try:
        print(fetch())
    except (NoCrds, NoPromtool) as error:
        print(f"{error}; the tests that need it will not run", file=sys.stderr)
        missing += 1
sys.exit(1 if missing and required() else 0)
