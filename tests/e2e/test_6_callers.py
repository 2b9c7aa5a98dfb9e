"""Callers come, change their keys and go while the fleet runs, by `pointsman key` and kubectl."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from pointsman.cli.__main__ import main
from tests.e2e.fleet import Fleet, callers
from tests.e2e.traffic import traffic, until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@pytest.fixture
def manifest(fleet: Fleet, tmp_path: Path) -> Iterator[Path]:
    """The fleet's callers as a file under somebody's care; afterwards they are as they were."""
    file = tmp_path / "callers.yaml"
    file.write_text(callers())
    yield file
    fleet.kubectl("apply", "-f", "-", stdin=callers())


def without(file: Path, caller: str) -> None:
    """Delete the caller's line."""
    lines = file.read_text().splitlines(keepends=True)
    left = [line for line in lines if f'"{caller}"' not in line]
    assert len(left) == len(lines) - 1
    file.write_text("".join(left))


def asks(fleet: Fleet, key: str, model: str = "auto") -> set[int]:
    """The status with which each router answers."""
    found = set()
    for url in fleet.routers():
        with fleet.client(url, key) as sdk:
            try:
                sdk.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=2
                )
                found.add(200)
            except openai.APIStatusError as error:
                found.add(error.status_code)
    return found


async def wait_for(fleet: Fleet, key: str, status: int) -> None:
    """Until every router answers so; they read every 15 s."""

    def so() -> bool:
        return asks(fleet, key) == {status}

    await asyncio.to_thread(fleet.cluster.wait_for, so, 90, f"{status} from every router")


async def test_a_key_is_made_replaced_and_withdrawn_while_requests_flow(
    fleet: Fleet, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No router restarts, no request of the caller or of others is refused wrongly."""
    routers = [pod["metadata"]["uid"] for pod in fleet.pods("router")]

    def create(*arguments: str) -> str:
        assert main(["key", "create", "app", *arguments, "--into", str(manifest)]) == 0
        return capsys.readouterr().out.strip()

    async def apply() -> None:
        await asyncio.to_thread(fleet.kubectl, "apply", "-f", str(manifest))

    async with traffic(fleet.routers(), clients=3) as others:
        old = create("--team", "search")
        assert asks(fleet, old) == {401}
        await apply()
        await wait_for(fleet, old, 200)
        shown = {"authorization": f"Bearer {old}"}
        async with traffic(fleet.routers(), clients=3, headers=shown) as seen:
            await until(seen, 6)
            new = create()
            await apply()
            await wait_for(fleet, new, 200)
            shown["authorization"] = f"Bearer {new}"
            await until(seen, 9)  # whoever asked with the old key has its answer
            assert main(["key", "retire", "app", "--into", str(manifest)]) == 0
            await apply()
            await wait_for(fleet, old, 401)
            await until(seen, 9)
        # To delete its line withdraws a caller: an entry of stringData would stay.
        without(manifest, "app")
        await apply()
        await wait_for(fleet, new, 401)
        await until(others, 6)

    assert seen.failures == []
    assert others.failures == []
    assert [pod["metadata"]["uid"] for pod in fleet.pods("router")] == routers


def test_a_caller_of_another_policy_is_told_403(
    fleet: Fleet, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every router, with the same words for a model that there is not."""
    arguments = ["limited", "--policy", "elsewhere", "--into", str(manifest)]
    assert main(["key", "create", *arguments]) == 0
    key = capsys.readouterr().out.strip()
    fleet.kubectl("apply", "-f", str(manifest))
    fleet.cluster.wait_for(lambda: asks(fleet, key) == {403}, 90, "403 from every router")

    assert asks(fleet, key, "nothing") == {403}
