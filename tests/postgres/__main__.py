"""Install PostgreSQL where it can be: `make test` does it before a test hides the network."""

import sys

from tests.bench.fixtures import required
from tests.postgres.cluster import NoPostgres
from tests.postgres.install import installed

try:
    print(installed())
except NoPostgres as error:
    print(f"no PostgreSQL: {error}; its tests will not run", file=sys.stderr)
    sys.exit(1 if required() else 0)
