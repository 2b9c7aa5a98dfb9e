"""Who shows the fleet: files of local mode, an API server that is away, and nobody."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pointsman.api.orders import APPROVE, PAUSED, Action, Order, Refused, order
from pointsman.ledger.console.fleet.cluster import ClusterFleet
from pointsman.ledger.console.fleet.files import (
    OLD_S,
    ORDERS,
    STATE,
    FilesFleet,
    read_orders,
)
from pointsman.ledger.console.fleet.opening import fleet_of
from pointsman.ledger.console.fleet.seen import Away, Fleet, Json, NoFleet
from pointsman.ledger.settings import parse
from tests.ledger.console.showing import fleet, show
from tests.ledger.events import NOW_MS
from tests.support.kubeconfig import write_kubeconfig

PATIENCE_S = 20.0


@asynccontextmanager
async def running(one: Fleet) -> AsyncIterator[None]:
    """While the block lasts."""
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Within the patience."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - the deadline bounds it
            await asyncio.sleep(0.02)


def approve(item: Json) -> Order:
    """By ada, of what the page showed."""
    return order(
        Action.APPROVE, item, now="2026-11-26T10:00:00Z", approver="ada",
        revision="support-6d0f3c5b1e", step=1,
    )  # fmt: skip


async def test_local_mode_is_seen_and_ordered_by_files(tmp_path: Path) -> None:
    """An order stands beside those that are there, and is read whole."""
    there = FilesFleet(tmp_path)
    assert "cannot be read" in there.away() or "not said" in there.away()
    show(tmp_path, fleet(NOW_MS))
    async with running(there):
        await until(lambda: not there.away())
        assert [one.name for one in there.seen().policies] == ["batch", "search", "support"]
        await there.annotate("support", approve)
        await there.annotate("support", lambda item: order(Action.PAUSE, item, now="t"))

    orders = read_orders(tmp_path)["support"]
    assert orders[PAUSED] == "true"
    said = json.loads(orders[APPROVE] or "")
    assert (said["revision"], said["step"], said["approver"]) == ("support-6d0f3c5b1e", 1, "ada")


async def test_a_stale_order_writes_nothing(tmp_path: Path) -> None:
    """The session went on since the page was made."""
    objects = fleet(NOW_MS)
    rollout = next(p for p in objects["policies"] if p["metadata"]["name"] == "support")
    rollout["status"]["rollout"]["step"] = 2
    show(tmp_path, objects)
    with pytest.raises(Refused, match="step 2, not 1"):
        await FilesFleet(tmp_path).annotate("support", approve)
    with pytest.raises(Away, match="no policy nobody"):
        await FilesFleet(tmp_path).annotate("nobody", approve)
    assert not (tmp_path / ORDERS).exists()


async def test_a_session_that_ended_is_told(tmp_path: Path) -> None:
    """What it ran is still shown; nothing can be ordered."""
    show(tmp_path, fleet(NOW_MS))
    there = FilesFleet(tmp_path)
    async with running(there):
        await until(lambda: not there.away())
        old = (tmp_path / STATE).stat().st_mtime - 2 * OLD_S
        os.utime(tmp_path / STATE, (old, old))
        await until(lambda: bool(there.away()))
    assert "said nothing for" in there.away()
    assert there.seen().policies
    with pytest.raises(Away, match="said nothing"):
        await there.annotate("support", approve)


async def test_half_a_file_is_no_fleet(tmp_path: Path) -> None:
    """It is told, and what was seen before stays."""
    (tmp_path / STATE).write_text('{"backends": [')
    there = FilesFleet(tmp_path)
    with pytest.raises(Away, match="cannot be read"):
        await there.annotate("support", approve)


async def test_an_api_server_that_is_away_is_told_and_takes_no_order(tmp_path: Path) -> None:
    """At once, not after a minute; the ledger goes on."""
    file = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    there = ClusterFleet("desk", file, writable=True)
    async with running(there):
        await until(lambda: "does not answer" in there.away())
        assert there.seen().policies == ()
        with pytest.raises(Away, match="does not answer"):
            await there.annotate("support", approve)


async def test_no_credentials_are_no_end(tmp_path: Path) -> None:
    """They may come; a pod outside a cluster has none."""
    there = ClusterFleet("desk", tmp_path / "missing", writable=True)
    async with running(there):
        await until(lambda: "no credentials" in there.away())


async def test_without_a_fleet_nothing_is_away() -> None:
    """Pages say what is missing instead."""
    there = NoFleet()
    await there.run()
    assert there.away() == ""
    assert "--console-fleet" in there.seen().problem
    with pytest.raises(Away):
        await there.annotate("support", approve)


@pytest.mark.parametrize(
    ("flags", "kind"),
    [((), NoFleet), (("--console-fleet=some/folder",), FilesFleet),
     (("--console-fleet=cluster", "--console-namespace=ai"), ClusterFleet)],
)  # fmt: skip
def test_flags_choose_who_shows_it(flags: tuple[str, ...], kind: type) -> None:
    """And a cluster is written to only if asked."""
    found = fleet_of(parse(["--db=x", *flags], {}))

    assert isinstance(found, kind)
    assert found.writable is (kind is FilesFleet)


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--console-fleet=cluster"], "--console-namespace"),
     (["--console-namespace=ai"], "need each other"),
     (["--console-write=perhaps"], "neither yes nor no")],
)  # fmt: skip
def test_flags_that_mean_nothing_are_refused(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name."""
    with pytest.raises(SystemExit):
        parse(["--db=x", *flags], {})
    assert message in capsys.readouterr().err
