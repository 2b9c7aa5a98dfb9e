"""Backends that only the operator may ask: in the table like a policy, under no policy's name."""

import json
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from pointsman.api import table
from pointsman.router.control.kube_config import ApiServer
from pointsman.router.control.switch import Switch
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.pinned import Desk
from tests.router.control.objects import (
    NAMESPACE,
    PROVIDER_URL,
    blob_object,
    by_digest,
    entry,
    external_backend,
    manifest,
    manifest_object,
    policy,
    secret_object,
    service_backend,
)
from tests.router.control.router import OPERATOR, running_router, until
from tests.support.fake_api import FakeApi


def pins(*backends: table.Backend) -> bytes:
    """The blob of pins."""
    return table.encode(
        table.PolicyBlob(
            namespace=NAMESPACE,
            name=table.PINS,
            revision="",
            model_names=(),
            routes=tuple(
                table.Route(name="pinned", targets=(table.Target(backend=one.name),))
                for one in backends
            ),
            backends={one.name: one for one in backends},
        )
    )


def wanting(serial: int, blob: bytes | None, *entries: table.PolicyEntry) -> table.Manifest:
    """A manifest with pins."""
    return replace(manifest(serial, *entries), pins=table.digest(blob) if blob else "")


def test_pins_switch_without_an_ack() -> None:
    """They are no policy: callers find nothing, acks name policies alone."""
    switch, ordinary, pinned = Switch(NAMESPACE), policy(), pins(service_backend("new"))
    outcome = switch.offer(wanting(1, pinned, entry(ordinary)), by_digest(ordinary, pinned))
    assert outcome.table is not None
    assert set(outcome.table.pinned) == {"new"}
    assert set(outcome.table.by_model) == {"support-auto"}
    assert [ack.policy for ack in outcome.acks] == ["support"]


def test_pins_that_are_not_there_yet_keep_those_that_were() -> None:
    """And hold up no policy; taken out of the manifest they are gone."""
    switch, old, new = Switch(NAMESPACE), pins(service_backend("old")), pins(service_backend("new"))
    switch.offer(wanting(1, old), by_digest(old))
    assert switch.wanted(wanting(2, new)) == {table.digest(new)}
    ordinary = policy()
    outcome = switch.offer(wanting(2, new, entry(ordinary)), by_digest(ordinary))
    assert outcome.table is not None
    assert set(outcome.table.pinned) == {"old"}
    assert set(outcome.table.by_model) == {"support-auto"}
    outcome = switch.offer(wanting(3, None), {})
    assert outcome.table is not None
    assert outcome.table.pinned == {}


@pytest.mark.parametrize("damage", [b"{", policy(), policy(namespace="other")])
def test_damaged_pins_are_refused_alone(damage: bytes) -> None:
    """A policy's blob in their place as well."""
    switch, ordinary = Switch(NAMESPACE), policy()
    wanted = wanting(1, damage, entry(ordinary, "support"))
    outcome = switch.offer(wanted, by_digest(ordinary, damage))
    assert outcome.table is not None
    assert outcome.table.pinned == {}
    assert set(outcome.table.by_model) == {"support-auto"}


def test_they_are_last_known_good_like_policies() -> None:
    """A router that restarts with all else down answers the operator again."""
    switch, pinned = Switch(NAMESPACE), pins(service_backend("new"))
    outcome = switch.offer(wanting(1, pinned), by_digest(pinned))
    assert outcome.in_force is not None
    restored = Switch(NAMESPACE).restore(outcome.in_force)
    assert restored.table is not None
    assert set(restored.table.pinned) == {"new"}


async def test_their_keys_are_read_and_survive_a_restart(tmp_path: Path) -> None:
    """No policy names the backend; its Secret is judged as a policy's would be."""
    blob = pins(external_backend())
    async with FakeApi() as api:
        api.put(secret_object(b"sk-provider"))
        api.put(blob_object(blob))
        api.put(manifest_object(wanting(1, blob)))
        async with running_router(ApiServer(api.url), folder=tmp_path) as router:
            await until(lambda: router.live.credentials, "the key")
            assert router.live.table.by_model == {}
        async with running_router(ApiServer("http://127.0.0.1:1"), folder=tmp_path) as router:
            assert set(router.live.table.pinned) == {"hosted"}
            assert router.live.credentials == {
                ("provider", "api-key", PROVIDER_URL): b"sk-provider"
            }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer caller"}, 403),
        ({"Authorization": "Bearer good", "x-pointsman-epoch": "0"}, 409),
        ({"Authorization": "Bearer good", "x-pointsman-epoch": "x"}, 400),
        ({"Authorization": "Bearer good", "x-pointsman-epoch": "1"}, 404),
    ],
)
async def test_only_the_operator_of_this_epoch_may_ask(
    headers: dict[str, str], status: int
) -> None:
    """Its words are OpenAI's; the last one is let in, and asks for a backend that is not there."""
    live = Live(ready=True)
    desk = Desk(DataPlane(live, Limits(), Metrics()))
    async with FakeApi() as api:
        api.tokens["good"] = (OPERATOR, ("pointsman-router",))
        api.tokens["caller"] = ("system:serviceaccount:demo:default", ("pointsman-router",))
        async with (
            running_router(ApiServer(api.url), token=True, desk=lambda: desk) as router,
            aiohttp.ClientSession() as session,
        ):
            router.feed.offer(manifest(1), {})
            body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}]}
            url = f"{router.url}/v1/chat/completions"
            pin = {**headers, "x-pointsman-pin": "small"}
            async with session.post(url, json=body, headers=pin) as answer:
                assert answer.status == status
                error = json.loads(await answer.read())["error"]
                assert set(error) == {"message", "type", "param", "code"}
