"""A namespace for each test of the bench."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.bench import Bench


@pytest.fixture
def namespace(bench: Bench) -> Iterator[str]:
    """A namespace of the test's own whose default service account is there."""
    name = f"test-{uuid4().hex[:8]}"
    bench.kubectl("create", "namespace", name)
    bench.wait_for(lambda: bench.get("serviceaccount", "default", name), 20, "a service account")
    yield name
    bench.kubectl("delete", "namespace", name, "--wait=false")
