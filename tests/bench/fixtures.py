"""The session fixture `bench`, and `namespace` for the folders that ask for it.

Where the bench cannot be built or cannot run, its tests are skipped loudly ("not run: ..."); with
CI or POINTSMAN_REQUIRE_BENCH=1 set they fail instead: a skipped proof is none.
"""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.bench.build import BuildFailed
from tests.bench.cluster import Bench
from tests.bench.control_plane import BenchBroken
from tests.bench.netns import NoNamespace


def required() -> bool:
    """Whether a bench that cannot run is a failure."""
    return bool(os.environ.get("CI") or os.environ.get("POINTSMAN_REQUIRE_BENCH"))


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """One running cluster for the session; this process stands in its network."""
    try:
        cluster = Bench().__enter__()
    except (BuildFailed, NoNamespace, BenchBroken, OSError) as error:
        reason = f"not run: no bench: {error}"
        if required():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def namespace(bench: Bench) -> Iterator[str]:
    """A namespace of the test's own whose default service account is there."""
    name = f"test-{uuid4().hex[:8]}"
    bench.kubectl("create", "namespace", name)
    bench.wait_for(lambda: bench.get("serviceaccount", "default", name), 90, "a service account")
    yield name
    bench.kubectl("delete", "namespace", name, "--wait=false")
