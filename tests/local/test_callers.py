"""Who may call in local mode: all on this machine, or the callers of the files' Secrets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest

from pointsman.api.callers import CallerEntry, hash_of
from pointsman.cli.__main__ import main
from pointsman.cli.key import manifest
from pointsman.local.session import Refused, Session

POLICY = """
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [auto]
  default: {targets: [{backendRef: {name: small}}]}
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: small}
spec: {model: tiny, service: {name: small, port: 8000}}
"""
PATIENCE_S = 40.0
KEYS = {"one": "pmk-" + "1" * 43, "two": "pmk-" + "2" * 43}


def secret(*names: str) -> str:
    text = ""
    for name in names:
        entry = CallerEntry(keys=(hash_of(KEYS[name].encode()),))
        text = (
            manifest.put(text, "callers", name, entry)
            if text
            else manifest.new("callers", name, entry)
        )
    return text


def files(folder: Path, contents: Mapping[str, str]) -> Path:
    for name, text in {"desk.yaml": POLICY, **contents}.items():
        (folder / name).write_text(text)
    return folder


@asynccontextmanager
async def running(
    folder: Path, host: str = "127.0.0.1", *, chosen_open: bool = False
) -> AsyncIterator[tuple[str, list[str]]]:
    """Its base URL, and what it says."""
    said: list[str] = []
    session = Session([folder], say=said.append, chosen_open=chosen_open)
    async with session.serve(host, 0) as port:
        yield f"http://127.0.0.1:{port}/v1", said


async def models(url: str, key: str = "none") -> list[str] | None:
    """What this key may use; None if it is refused."""
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=30) as sdk:
        try:
            return [model.id async for model in sdk.models.list()]
        except openai.AuthenticationError:
            return None


async def until(url: str, wanted: Mapping[str, bool]) -> None:
    """Wait until exactly these keys are let in."""
    async with asyncio.timeout(PATIENCE_S):
        while {key: await models(url, key) == ["auto"] for key in wanted} != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_without_callers_it_is_open_and_says_so(tmp_path: Path) -> None:
    """In one line."""
    async with running(files(tmp_path, {})) as (url, said):
        await until(url, {"anything": True})

    assert len([line for line in said if line.startswith("callers: open")]) == 1


@pytest.mark.parametrize(("chosen_open", "expected"), [(False, 403), (True, 200)])
async def test_pages_of_other_sites_are_not_on_this_machine(
    tmp_path: Path, chosen_open: bool, expected: int
) -> None:
    """A browser here may show anything; whoever says --open means it too."""
    async with (
        running(files(tmp_path, {}), chosen_open=chosen_open) as (url, _),
        aiohttp.ClientSession(headers={"origin": "https://news.example.com"}) as page,
    ):
        await until(url, {"anything": True})
        async with page.get(f"{url}/models") as answer:
            assert answer.status == expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
async def test_others_are_not_let_in_by_accident(tmp_path: Path, host: str) -> None:
    """It does not start; nothing was listened on, and the line says both ways out."""
    with pytest.raises(Refused, match=r"pointsman\.dev/callers.*--open"):
        async with running(files(tmp_path, {}), host):
            raise AssertionError("it started")


async def test_open_to_others_can_be_chosen(tmp_path: Path) -> None:
    """By name; with callers besides it is not clear what is meant."""
    async with running(files(tmp_path, {}), "0.0.0.0", chosen_open=True) as (url, _):
        await until(url, {"anything": True})
    with pytest.raises(Refused, match="choose one"):
        async with running(files(tmp_path, {"c.yaml": secret("one")}), chosen_open=True):
            raise AssertionError("it started")


@pytest.mark.slow
async def test_callers_among_the_files_turn_keys_on(tmp_path: Path) -> None:
    """Wherever it listens; edits count while it runs, and no edit opens it again."""
    folder = files(tmp_path, {"callers.yaml": secret("one")})
    one, two = KEYS["one"], KEYS["two"]
    async with running(folder, "0.0.0.0") as (url, said):
        assert await models(url) is None  # from the first connection on
        await until(url, {one: True, two: False, "none": False})
        (folder / "callers.yaml").write_text(secret("one", "two"))
        await until(url, {one: True, two: True, "none": False})
        (folder / "callers.yaml").write_text(secret("two"))
        await until(url, {one: False, two: True})
        (folder / "callers.yaml").write_text(secret("two") + '  "bad": "eA=="\n')
        async with asyncio.timeout(PATIENCE_S):
            while "caller callers/bad: Malformed: it is not JSON" not in said:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await models(url, two) == ["auto"]
        (folder / "callers.yaml").unlink()
        await until(url, {one: False, two: False, "none": False})


async def test_a_secret_that_comes_later_closes_an_open_one(tmp_path: Path) -> None:
    """Nobody needs to restart it."""
    folder = files(tmp_path, {})
    async with running(folder) as (url, _):
        await until(url, {"none": True})
        (folder / "callers.yaml").write_text(secret("one"))
        await until(url, {KEYS["one"]: True, "none": False})


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1."""
    files(tmp_path, {})

    assert main(["up", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
