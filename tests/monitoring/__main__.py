"""Put prometheus-operator's CRDs and promtool into the cache: `make test` does it before a test
hides the network."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.fixtures import required
from tests.monitoring.crds import NoCrds, crds
from tests.monitoring.promtool import NoPromtool, promtool

missing = 0
fetches: tuple[Callable[[], Path], ...] = (crds, promtool)
for fetch in fetches:
    try:
        print(fetch())
    except (NoCrds, NoPromtool) as error:
        print(f"{error}; the tests that need it will not run", file=sys.stderr)
        missing += 1
sys.exit(1 if missing and required() else 0)
