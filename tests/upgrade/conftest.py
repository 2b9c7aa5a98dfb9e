"""What the tests of the upgrade share."""

from tests.bench.fixtures import namespace
from tests.upgrade.fixtures import released

__all__ = ["namespace", "released"]
