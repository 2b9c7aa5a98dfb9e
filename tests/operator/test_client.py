"""What the operator makes of answers: only the API server itself says that an object is gone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.errors import ReconcileError, Stalled, Waiting
from pointsman.operator.settings import Settings
from tests.support.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig
from tests.support.refusals import not_found_body, status_body

NAMESPACE = "ai"


@pytest.fixture
async def server() -> AsyncIterator[FakeApi]:
    """With nothing in it."""
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def client(server: FakeApi, tmp_path: Path) -> AsyncIterator[Api]:
    """The operator's, of this server."""
    file = write_kubeconfig(tmp_path, server.url)
    api = await Api.open(Settings(namespace=NAMESPACE, kubeconfig=file))
    yield api
    await api.close()


NOT_THE_SERVERS = {
    "404 in HTML": (404, b"<html>404 Not Found</html>"),
    "404 in text": (404, b"default backend - 404"),
    "404 in JSON": (404, b'{"error": "no such route"}'),
    "404 that is a list": (404, b"[]"),
    "a Status that says no reason": (404, status_body(details={"name": "web", "kind": "services"})),
    "a Status without details": (404, status_body(reason="NotFound")),
    "a Status of another name": (404, not_found_body(name=NAMESPACE, kind="services")),
    "a Status of another kind": (404, not_found_body(name="web", kind="namespaces")),
    "200 in HTML": (200, b"<html>We will be back</html>"),
    "200 in JSON": (200, b'{"status": "maintenance"}'),
    "200 and a list": (200, b"[]"),
    "200 and a Status": (200, status_body(metadata={}, status="Success")),
}
BODY = {"metadata": {"name": "web", "uid": "u", "resourceVersion": "1"}}
CALLS: dict[str, Callable[[Api], Awaitable[object]]] = {
    "get": lambda api: api.get(kinds.SERVICE, "web"),
    "list": lambda api: api.list_all(kinds.SERVICE),
    "list of metadata": lambda api: api.list_metadata(kinds.SERVICE, "a=b"),
    "create": lambda api: api.create(kinds.SERVICE, BODY),
    "replace": lambda api: api.replace(kinds.SERVICE, BODY),
    "apply": lambda api: api.apply(kinds.SERVICE, BODY, force=False),
    "status": lambda api: api.apply_status(kinds.SERVICE, BODY, {}),
}


async def test_the_servers_word_that_there_is_no_object_is_none(client: Api) -> None:
    """And a list without items is one."""
    assert await client.get(kinds.SERVICE, "web") is None
    assert await client.list_all(kinds.SERVICE) == []


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("answer", NOT_THE_SERVERS.values(), ids=NOT_THE_SERVERS.keys())
async def test_what_another_answers_in_its_place_is_waited_out(
    server: FakeApi,
    client: Api,
    answer: tuple[int, bytes],
    call: Callable[[Api], Awaitable[object]],
) -> None:
    """No object was deleted, no list is empty, no write was done."""
    server.before = answer
    with pytest.raises(Waiting) as raised:
        await call(client)

    assert type(raised.value) is Waiting


async def test_a_deletion_that_another_answers_was_not_done(server: FakeApi, client: Api) -> None:
    """It is tried again; the API server's own NotFound ends it."""
    server.before = NOT_THE_SERVERS["404 in HTML"]
    with pytest.raises(ReconcileError):
        await client.delete(kinds.SERVICE, BODY)
    server.before = 404, not_found_body(name="web", kind="services")
    await client.delete(kinds.SERVICE, BODY)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [b"\x8d", b"hello", b"- 1", b"[" * 5000, b"clusters: 1\n", b"current-context: c\n"]
)
async def test_a_kubeconfig_that_is_none_is_told_as_such(tmp_path: Path, data: bytes) -> None:
    """Kubernetes' own reader of it raises whatever meets it first."""
    file = tmp_path / "config"
    file.write_bytes(data)
    with pytest.raises(Stalled, match="no credentials for the API server"):
        await Api.open(Settings(namespace=NAMESPACE, kubeconfig=file))
