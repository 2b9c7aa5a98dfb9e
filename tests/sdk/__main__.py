"""Install the npm SDK into the cache: `make test` does it before a test hides the network."""

import sys

from tests.bench.fixtures import required
from tests.sdk.node import NoNode, installed

try:
    print(installed())
except NoNode as error:
    print(f"no npm SDK: {error}; its tests will not run", file=sys.stderr)
    sys.exit(1 if required() else 0)
