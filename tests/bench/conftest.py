"""What the tests of the bench share."""

from tests.bench.fixtures import namespace

__all__ = ["namespace"]
