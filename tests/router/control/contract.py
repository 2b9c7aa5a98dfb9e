"""What the router needs of an API server: the same tests for the fake and the real one."""

from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from pointsman.api.table import Ack, Endpoint, digest
from pointsman.router.control.kube_config import ApiServer
from tests.router.control.objects import (
    PROVIDER_URL,
    Json,
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


class World(Protocol):
    """An API server that a test can write to and take away."""

    server: ApiServer
    """As the router's ServiceAccount."""

    async def apply(self, *objects: Json) -> None:
        """Create or replace, in this order."""

    async def delete(self, kind: str, name: str) -> None:
        """Delete one object."""

    async def stop(self) -> None:
        """Connections are refused."""

    async def start(self) -> None:
        """It is back, with the same data."""

    async def token(self, account: str, audience: str | None) -> str:
        """A token of this ServiceAccount."""


@pytest.fixture
def release() -> str:
    """Each test has tables of its own."""
    return f"release-{uuid4().hex[:8]}"


def _endpoint_key(service: str) -> str:
    return f"demo/{service}:8000"


class ApiContract:
    """Run by test_on_fake.py and test_on_bench.py."""

    async def test_a_written_table_is_switched_to_and_acked(
        self, world: World, release: str
    ) -> None:
        """Blobs first, then the manifest, as the operator writes them; then the next revision."""
        first, second = policy(revision="r1"), policy(revision="r2")
        async with running_router(world.server, release=release) as router:
            await world.apply(
                blob_object(first, release=release),
                manifest_object(manifest(1, entry(first)), release),
            )
            await until(lambda: router.running() == {"support": "r1"}, "the first table")
            await world.apply(
                blob_object(second, release=release),
                manifest_object(manifest(2, entry(second, revision="r2")), release),
            )
            await until(lambda: router.feed.position == (1, 2), "the second table")

            assert router.feed.acks == (Ack(policy="support", revision="r2", blob=digest(second)),)

    async def test_a_manifest_before_its_blob_waits_for_it(
        self, world: World, release: str
    ) -> None:
        """Another policy of the same manifest does not wait."""
        here, late = policy("here"), policy("late")
        async with running_router(world.server, release=release) as router:
            await world.apply(
                blob_object(here, release=release),
                manifest_object(manifest(1, entry(here, "here"), entry(late, "late")), release),
            )
            await until(lambda: router.running() == {"here": "r1"}, "the policy that is there")
            assert [ack.error for ack in router.feed.acks] == ["", ""]
            await world.apply(blob_object(late, release=release))
            await until(lambda: len(router.running()) == 2, "the late policy")

    async def test_a_damaged_blob_is_refused_alone(self, world: World, release: str) -> None:
        """Its ack names it."""
        good, bad = policy("good"), policy("bad")
        async with running_router(world.server, release=release) as router:
            await world.apply(
                blob_object(good, release=release),
                blob_object(bad, packed=b"\x1f\x8bnonsense", release=release),
                manifest_object(manifest(1, entry(good, "good"), entry(bad, "bad")), release),
            )
            await until(lambda: router.feed.position, "a table")

            assert router.running() == {"good": "r1"}
            assert [ack.refused_blob for ack in router.feed.acks] == ["", digest(bad)]

    async def test_an_edit_that_was_missed_takes_effect_later(
        self, world: World, release: str
    ) -> None:
        """The server goes and comes back; the router needs no hint."""
        first, second = policy(revision="r1"), policy(revision="r2")
        await world.apply(
            blob_object(first, release=release),
            manifest_object(manifest(1, entry(first)), release),
        )
        async with running_router(world.server, release=release) as router:
            await until(lambda: router.running() == {"support": "r1"}, "the first table")
            await world.stop()
            await until(
                lambda: router.cluster.state["configmaps"] != "synced", "the router to notice"
            )
            assert router.running() == {"support": "r1"}
            await world.start()
            await world.apply(
                blob_object(second, release=release),
                manifest_object(manifest(2, entry(second, revision="r2")), release),
            )
            await until(lambda: router.running() == {"support": "r2"}, "the missed edit")

    async def test_a_restart_with_the_server_away_serves_what_was_in_force(
        self, world: World, release: str, tmp_path: Path
    ) -> None:
        """Table, endpoints and keys come from disk; what changed meanwhile follows."""
        service, secret = f"svc-{release}", f"secret-{release}"
        blob = policy(
            backends=[
                service_backend(service=service),
                external_backend(secret=secret),
            ]
        )
        await world.apply(
            service_object(service),
            slice_object(service),
            secret_object(b"sk-1", name=secret),
            blob_object(blob, release=release),
            manifest_object(manifest(1, entry(blob)), release),
        )
        ready = {_endpoint_key(service): (Endpoint(host="10.244.0.9", port=8000),)}
        async with running_router(world.server, release=release, folder=tmp_path) as router:
            await until(lambda: router.live.credentials, "the key")
            await until(lambda: router.live.endpoints == ready, "the endpoint")
        await world.stop()
        try:
            async with running_router(world.server, release=release, folder=tmp_path) as router:
                assert router.live.ready
                assert router.running() == {"support": "r1"}
                assert router.live.endpoints == ready
                assert dict(router.live.credentials) == {(secret, "api-key", PROVIDER_URL): b"sk-1"}
                assert [ack.error for ack in router.feed.acks] == [""]
                await world.start()
                await world.apply(manifest_object(manifest(2), release))
                await until(lambda: router.running() == {}, "the table that followed")
        finally:
            await world.start()

    async def test_endpoints_follow_their_slices(self, world: World, release: str) -> None:
        """More, fewer, none; only those of Services that the table uses."""
        service = f"svc-{release}"
        blob = policy(backends=[service_backend(service=service)])
        key = _endpoint_key(service)
        await world.apply(
            service_object(service),
            service_object(f"other-{service}"),
            slice_object(service, ["10.244.0.9", "10.244.0.10"]),
            slice_object(f"other-{service}"),
            blob_object(blob, release=release),
            manifest_object(manifest(1, entry(blob)), release),
        )
        async with running_router(world.server, release=release) as router:
            await until(lambda: len(router.live.endpoints.get(key, ())) == 2, "two endpoints")
            assert list(router.live.endpoints) == [key]
            await world.apply(slice_object(service, ["10.244.0.10"]))
            await until(
                lambda: router.live.endpoints[key] == (Endpoint(host="10.244.0.10", port=8000),),
                "one endpoint",
            )
            await world.delete("EndpointSlice", f"{service}-x1")
            await until(lambda: router.live.endpoints[key] == (), "no endpoint")

    async def test_routers_count_each_other(self, world: World, release: str) -> None:
        """By the ready endpoints of their own Service; one that is alone, or not ready, counts."""
        service = f"{release}-router"
        async with running_router(world.server, release=release) as router:
            assert router.live.routers == 1
            pods = ["10.244.0.1", "10.244.0.2", "10.244.0.3"]
            await world.apply(service_object(service), slice_object(service, pods))
            await until(lambda: router.live.routers == 3, "three routers")
            await world.apply(slice_object(service, pods[:2]))
            await until(lambda: router.live.routers == 2, "two routers")
            await world.apply(slice_object(service, pods, ready=False))
            await until(lambda: router.live.routers == 1, "this router")

    async def test_keys_follow_their_secret(self, world: World, release: str) -> None:
        """Missing, there, rotated, without its label, gone: the acks say what is wrong."""
        secret = f"secret-{release}"
        ref = (secret, "api-key", PROVIDER_URL)
        blob = policy(backends=[external_backend(secret=secret)])
        async with running_router(world.server, release=release) as router:

            def error() -> str:
                return router.feed.acks[0].error if router.feed.acks else "no ack"

            await world.apply(
                blob_object(blob, release=release),
                manifest_object(manifest(1, entry(blob)), release),
            )
            await until(lambda: error() == f'Secret "{secret}" not found', "the missing Secret")
            assert router.running() == {"support": "r1"}
            await world.apply(secret_object(b"sk-1\n", name=secret))
            await until(lambda: router.live.credentials.get(ref) == b"sk-1", "the key")
            await world.apply(secret_object(b"sk-2", name=secret))
            await until(lambda: router.live.credentials.get(ref) == b"sk-2", "the rotated key")
            assert error() == ""
            await world.apply(secret_object(b"sk-2", name=secret, hosts="other.org"))
            await until(lambda: "does not allow host api.example.com" in error(), "a refusal")
            await world.apply(secret_object(b"sk-2", name=secret, labels={}))
            await until(lambda: "lacks the label" in error(), "the label to be missed")
            assert not router.live.credentials
            await world.apply(secret_object(b"sk-3", name=secret))
            await until(lambda: router.live.credentials, "the key again")
            await world.delete("Secret", secret)
            await until(lambda: not router.live.credentials, "the key to be withdrawn")

    async def test_a_server_that_is_away_withdraws_no_key(self, world: World, release: str) -> None:
        """Provider calls go on; readings fail, and that is no statement about the Secret."""
        secret = f"secret-{release}"
        blob = policy(backends=[external_backend(secret=secret)])
        await world.apply(
            secret_object(b"sk-1", name=secret),
            blob_object(blob, release=release),
            manifest_object(manifest(1, entry(blob)), release),
        )
        async with running_router(world.server, release=release) as router:
            await until(lambda: router.live.credentials, "the key")
            await world.stop()
            try:
                await until(lambda: router.cluster.unread, "a reading to fail")
                assert router.live.credentials
                assert router.feed.acks[0].error == ""
            finally:
                await world.start()

    async def test_callers_follow_their_secret(self, world: World, release: str) -> None:
        """Not there, there, rotated by two keys at a time, without its label, gone."""
        secret = f"callers-{release}"
        async with running_router(world.server, release=release, callers=[secret]) as router:

            async def says(key: bytes, wanted: str) -> None:
                await until(lambda: router.caller(key) == wanted, f"{key!r} to be {wanted}")

            await says(b"one", "UnknownKey")
            await world.apply(callers_object(secret, app=caller_entry(b"one", team="search")))
            await says(b"one", "app")
            await world.apply(callers_object(secret, app=caller_entry(b"one", b"two")))
            await says(b"two", "app")
            assert router.caller(b"one") == "app"
            await world.apply(callers_object(secret, app=caller_entry(b"two")))
            await says(b"one", "UnknownKey")
            assert router.caller(b"two") == "app"
            await world.apply(callers_object(secret, other=caller_entry(b"two")))
            await says(b"two", "other")
            await world.apply(callers_object(secret, labels={}, other=caller_entry(b"two")))
            await says(b"two", "UnknownKey")
            await world.apply(callers_object(secret, other=caller_entry(b"two")))
            await says(b"two", "other")
            await world.delete("Secret", secret)
            await says(b"two", "UnknownKey")

    async def test_callers_outlive_the_server_and_a_restart(
        self, world: World, release: str, tmp_path: Path
    ) -> None:
        """What was known stays known, what was withdrawn does not come back; then it follows."""
        secret = f"callers-{release}"
        callers = [secret]
        await world.apply(callers_object(secret, app=caller_entry(b"old", policies=["desk"])))
        async with running_router(
            world.server, release=release, folder=tmp_path, callers=callers
        ) as router:
            await until(lambda: router.caller(b"old") == "app", "the first key")
            await world.apply(callers_object(secret, app=caller_entry(b"new", policies=["desk"])))
            await until(lambda: router.caller(b"new") == "app", "the second key")
            await world.stop()
            await until(lambda: router.cluster.unread, "a reading to fail")
            assert router.caller(b"new") == "app"
        try:
            async with running_router(
                world.server, release=release, folder=tmp_path, callers=callers
            ) as router:
                assert router.caller(b"new") == "app"
                assert router.caller(b"old") == router.caller(b"other") == "UnknownKey"
                assert router.live.callers.everyone[0].policies == frozenset({"desk"})
                await until(lambda: router.cluster.unread, "a reading to fail")
                assert router.caller(b"new") == "app"
                await world.start()
                await world.delete("Secret", secret)
                await until(lambda: router.caller(b"new") == "UnknownKey", "the withdrawal")
        finally:
            await world.start()

    async def test_without_the_server_and_a_disk_nobody_is_known(
        self, world: World, release: str
    ) -> None:
        """That is no 401, and no open door."""
        secret = f"callers-{release}"
        await world.apply(callers_object(secret, app=caller_entry(b"one")))
        await world.stop()
        try:
            async with running_router(world.server, release=release, callers=[secret]) as router:
                await until(lambda: router.cluster.unread, "a reading to fail")
                assert router.caller(b"one") == router.caller(b"other") == "NotReady"
                await world.start()
                await until(lambda: router.caller(b"one") == "app", "the first reading")
                assert router.caller(b"other") == "UnknownKey"
        finally:
            await world.start()

    async def test_only_the_operators_token_for_routers_is_allowed(
        self, world: World, release: str
    ) -> None:
        """Not another account, not another audience; and not unseen while nobody can be asked."""
        good = await world.token("pointsman-operator", "pointsman-router")
        other = await world.token("pointsman-router", "pointsman-router")
        general = await world.token("pointsman-operator", None)
        unseen = await world.token("pointsman-operator", "pointsman-router")
        async with running_router(world.server, release=release) as router:
            check = router.auth.check
            assert await check(f"Bearer {good}") == "Allowed"
            assert await check(f"Bearer {other}") == "Forbidden"
            assert await check(f"Bearer {general}") == "Unauthenticated"
            assert await check("Bearer nonsense") == "Unauthenticated"
            await world.stop()
            try:
                assert await check(f"Bearer {good}") == "Allowed"
                assert await check(f"Bearer {unseen}") == "Unknown"
            finally:
                await world.start()
