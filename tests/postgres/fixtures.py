"""The session fixture `postgres`; where there is none its tests say so, and fail in CI."""

from collections.abc import Iterator

import pytest

from tests.bench.fixtures import required
from tests.postgres.cluster import Cluster, NoPostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One running cluster; each test makes a database of its own."""
    try:
        cluster = Cluster("fsync=off").__enter__()
    except (NoPostgres, OSError) as error:
        reason = f"not run: no PostgreSQL: {error}"
        if required():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        yield cluster
    finally:
        cluster.close()
