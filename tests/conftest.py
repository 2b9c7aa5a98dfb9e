"""Fixtures of the whole suite; a bench that cannot run says so loudly, and fails in CI."""

from tests.bench.fixtures import bench

__all__ = ["bench"]
