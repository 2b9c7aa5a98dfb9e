"""A router before a simulator, and the two SDKs."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from tests.bench.fixtures import required
from tests.router.serve.world import LIMITS, World, world
from tests.sdk.calls import NpmSdk, PythonSdk, Sdk
from tests.sdk.node import NodeProcess, NoNode

BODY_BYTES = 200_000


@pytest.fixture(scope="module")
def npm() -> Iterator[NpmSdk]:
    """The npm SDK; where it cannot run its tests say so, and fail in CI."""
    try:
        process = NodeProcess()
    except NoNode as error:
        reason = f"not run: no npm SDK: {error}"
        if required():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        yield NpmSdk(process)
    finally:
        process.close()


@pytest.fixture(params=["python", pytest.param("npm", marks=pytest.mark.local)])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each of the two."""
    if request.param == "python":
        return PythonSdk()
    found: NpmSdk = request.getfixturevalue("npm")
    return found


@pytest.fixture
async def there() -> AsyncIterator[World]:
    """A router with `auto`, whose only backend `small` can call tools; it tries once."""
    async with world(replace(LIMITS, body_bytes=BODY_BYTES, retries=0)) as found:
        await found.simulator("small")
        endpoint = found.live.endpoints["default/small:8000"][0]
        found.place("small", endpoint.port, capabilities=("Tools",))
        found.route("small")
        yield found
