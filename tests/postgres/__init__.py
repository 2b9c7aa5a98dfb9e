"""A real PostgreSQL for tests: Debian's, in a folder of its own, ended by itself."""

from tests.postgres.cluster import Cluster, NoPostgres, programs

__all__ = ["Cluster", "NoPostgres", "programs"]
