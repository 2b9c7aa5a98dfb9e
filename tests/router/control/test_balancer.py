"""What is before the API server answers in its place: that says nothing about any object."""

import pytest

from pointsman.api.table import Endpoint
from pointsman.router.control.kube_config import ApiServer
from tests.router.control.objects import (
    PROVIDER_URL,
    blob_object,
    caller_entry,
    callers_object,
    entry,
    external_backend,
    manifest,
    manifest_object,
    policy,
    secret_object,
    service_backend,
    service_object,
    slice_object,
)
from tests.router.control.router import running_router, until
from tests.support.fake_api import FakeApi
from tests.support.refusals import not_found_body, status_body

ANSWERS = {
    "404 in HTML": (404, b"<html>404 Not Found</html>"),
    "404 in text": (404, b"default backend - 404"),
    "404 without a body": (404, b""),
    "404 in JSON": (404, b'{"error": "no such route"}'),
    "404 that is a list": (404, b"[]"),
    "a Status that says no reason": (
        404,
        status_body(details={"name": "provider", "kind": "secrets"}),
    ),
    "a Status without details": (404, status_body(reason="NotFound")),
    "a Status of nothing": (404, not_found_body()),
    "a Status of another name": (404, not_found_body(name="demo", kind="secrets")),
    "a Status of another kind": (404, not_found_body(name="provider", kind="namespaces")),
    "200 in HTML": (200, b"<html>We will be back</html>"),
    "200 in JSON": (200, b'{"status": "maintenance"}'),
    "200 with metadata": (200, b'{"metadata": {}}'),
    "200 and a Status": (200, status_body(metadata={}, status="Success")),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_that_is_not_the_api_servers_changes_nothing(
    answer: tuple[int, bytes],
) -> None:
    """Keys, callers, endpoints and table stay in force; a real deletion counts as before."""
    blob = policy(backends=[service_backend(), external_backend()])
    known = Endpoint(host="10.244.0.9", port=8000)
    async with FakeApi() as api:
        for thing in (
            secret_object(b"sk-1"),
            callers_object("callers", app=caller_entry(b"one")),
            service_object(),
            slice_object(),
            blob_object(blob),
            manifest_object(manifest(1, entry(blob))),
        ):
            api.put(thing)
        async with running_router(ApiServer(api.url), callers=["callers"]) as router:
            await until(lambda: router.live.credentials, "the provider's key")
            await until(lambda: router.caller(b"one") == "app", "the caller")
            await until(lambda: [*router.live.endpoints.values()] == [(known,)], "the endpoint")
            api.before = answer
            api.end_watches()
            await until(lambda: {*router.cluster.unread} == {"provider", "callers"}, "a reading")
            await until(lambda: "synced" not in router.cluster.state.values(), "all watches")

            assert dict(router.live.credentials) == {("provider", "api-key", PROVIDER_URL): b"sk-1"}
            assert router.caller(b"one") == "app"
            assert [*router.live.endpoints.values()] == [(known,)]
            assert router.running() == {"support": "r1"}
            assert [ack.error for ack in router.feed.acks] == [""]
            api.before = None
            api.delete("Secret", "provider")
            api.delete("Secret", "callers")
            await until(lambda: not router.live.credentials, "the key to be withdrawn")
            await until(lambda: router.caller(b"one") == "UnknownKey", "the caller to go")
