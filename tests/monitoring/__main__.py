"""Put the CRDs of prometheus-operator into the cache: `make test` does it before a test hides the
network."""

import sys

from tests.bench.fixtures import required
from tests.monitoring.crds import NoCrds, crds

try:
    print(crds())
except NoCrds as error:
    print(f"no CRDs of prometheus-operator: {error}; their tests will not run", file=sys.stderr)
    sys.exit(1 if required() else 0)
