"""The router as a process: serves from disk at once, follows, drains, ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.router.control.objects import (
    blob_object,
    caller_entry,
    callers_object,
    entry,
    manifest,
    manifest_object,
    policy,
)
from tests.router.control.process import router_process
from tests.support.fake_api import FakeApi

pytestmark = pytest.mark.local

_OPEN = "--admin-auth=none"


def kubeconfig(folder: Path, api: FakeApi) -> str:
    """The flag, and the file that it names."""
    path = folder / "kubeconfig"
    path.write_text(
        f"""
current-context: fake
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
clusters: [{{name: fake, cluster: {{server: "{api.url}"}}}}]
users: [{{name: fake, user: {{}}}}]
"""
    )
    return f"--kubeconfig={path}"


async def test_a_process_lives_through_its_server_and_itself(tmp_path: Path) -> None:
    """Switch, end by SIGTERM with 0, serve from disk with the server away, follow it again."""
    blob = policy()
    async with FakeApi() as api:
        options = (kubeconfig(tmp_path, api), _OPEN)
        api.put(blob_object(blob))
        with router_process(tmp_path, *options) as router:
            async with router.stream() as events:
                api.put(manifest_object(manifest(1, entry(blob))))
                await events.until(lambda event: [a.revision for a in event.acks] == ["r1"])
                assert await router.models() == ["support-auto"]
            assert router.stop() == 0
        await api.stop()
        with router_process(tmp_path, *options) as router:
            assert await router.models() == ["support-auto"]
            ready = await router.json("/readyz")
            assert (ready["ready"], ready["table"], ready["serial"]) == (True, "disk", 1)
            api.put(manifest_object(manifest(2)))
            await api.start()
            await router.until_ready(lambda ready: ready["table"] == "confirmed")
            assert await router.models() == []
            assert router.stop() == 0


async def test_readiness_goes_before_the_listener_and_a_second_signal_ends_it(
    tmp_path: Path,
) -> None:
    """For the delay it is not ready and serves; then nothing more is waited for, exit 0."""
    blob = policy()
    async with FakeApi() as api:
        api.put(blob_object(blob))
        api.put(manifest_object(manifest(1, entry(blob))))
        options = (kubeconfig(tmp_path, api), _OPEN, "--shutdown-delay-seconds=3600")
        with router_process(tmp_path, *options) as router:
            await router.until_ready(lambda ready: ready["ready"])
            router.signal()
            await router.until_ready(lambda ready: ready["draining"])
            assert await router.status("/readyz") == 503
            assert await router.status("/healthz") == 200  # a liveness probe must not end it
            assert await router.models() == ["support-auto"]
            assert router.stop() == 0
            assert router.wait_for("drained")["cut"] == 0


def _everything_in(folder: Path) -> str:
    return "".join(path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())


async def test_callers_outlive_their_server_and_the_process(tmp_path: Path) -> None:
    """Known keys count from the first request on; without a disk nobody is called unknown."""
    blob = policy()
    async with FakeApi() as api:
        options = (
            kubeconfig(tmp_path, api), _OPEN, "--callers=Keys", "--caller-secrets=callers",
        )  # fmt: skip
        api.put(blob_object(blob))
        api.put(manifest_object(manifest(1, entry(blob))))
        api.put(callers_object(app=caller_entry(b"known-key")))
        with router_process(tmp_path, *options) as router:
            await router.until_ready(lambda ready: ready["ready"])
            assert await router.models("known-key") == ["support-auto"]
            assert await router.models() == await router.models("other-key") == 401
            assert router.stop() == 0
        await api.stop()
        with router_process(tmp_path, *options) as router:
            assert await router.models("known-key") == ["support-auto"]
            assert await router.models() == await router.models("other-key") == 401
            assert (await router.json("/readyz"))["callers"]["known"] == 1
            assert router.stop() == 0
        with router_process(tmp_path / "new", *options) as router:
            assert await router.models("known-key") == await router.models() == 503
            assert await router.status("/readyz") == 503
            assert router.stop() == 0
    assert "known-key" not in _everything_in(tmp_path)


async def test_without_any_table_a_process_is_not_ready(tmp_path: Path) -> None:
    """It runs, says so, and waits."""
    async with FakeApi() as api:
        with router_process(tmp_path, kubeconfig(tmp_path, api), _OPEN) as router:
            assert await router.status("/healthz") == 200
            assert await router.status("/readyz") == 503
            assert router.stop() == 0


def test_flags_and_kubeconfigs_that_mean_nothing_end_it(tmp_path: Path) -> None:
    """With 2 and one line that says why."""
    missing = f"--kubeconfig={tmp_path / 'missing'}"
    for options in (["--namespace=", "--callers=Open"], ["--callers=Open", missing], []):
        done = subprocess.run(
            [sys.executable, "-m", "pointsman.router", "--namespace=demo", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "pointsman-router" in done.stderr
        assert "Traceback" not in done.stderr
