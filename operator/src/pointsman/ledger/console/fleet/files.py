"""Local mode as the console sees it: a file that `pointsman up` writes, and one that it reads.

`fleet.json` has the objects as an API server would, `orders.json` annotations by policy. Each is
replaced as a whole, so that nobody reads a part. Guarantees that a session that ended is told.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from pointsman.api.orders import Order
from pointsman.ledger.console.fleet.reading import seen_of
from pointsman.ledger.console.fleet.seen import Away, Json, Seen

STATE: Final = "fleet.json"
ORDERS: Final = "orders.json"
EVERY_S: Final = 0.5
OLD_S: Final = 15.0
"""The session touches its file every second."""
MOST_BYTES: Final = 16 * 1024 * 1024


class Objects(msgspec.Struct, frozen=True):
    """What `fleet.json` has."""

    backends: list[dict[str, object]] = []
    policies: list[dict[str, object]] = []
    revisions: list[dict[str, object]] = []


Orders = dict[str, dict[str, str | None]]
"""By policy: annotations; None takes one away that the file has."""


class FilesFleet:
    """Of one session of local mode."""

    writable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] = (0, 0)
        self._objects = Objects()
        self._seen = Seen()
        self._problem = "local mode has not said what it runs yet"

    def seen(self) -> Seen:
        """What was read last."""
        return replace(self._seen, problem=self._problem)

    def away(self) -> str:
        """Why it is not known as it is now."""
        return self.seen().problem

    async def run(self) -> None:
        """Look whether it changed, and again."""
        while True:
            self._look()
            await asyncio.sleep(EVERY_S)

    async def annotate(self, policy: str, decide: Callable[[Json], Order]) -> None:
        """Into `orders.json`; the session obeys within a second."""
        self._look()
        if self._problem:
            raise Away(self._problem)
        item = next((one for one in self._objects.policies if _name(one) == policy), None)
        if item is None:
            raise Away(f"there is no policy {policy}")
        name, value = decide(item)
        write_order(self._folder, policy, name, value)

    def _look(self) -> None:
        path = self._folder / STATE
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                with path.open("rb") as file:
                    objects = msgspec.json.decode(file.read(MOST_BYTES), type=Objects)
                self._objects, self._stamp = objects, stamp
                self._seen = seen_of(objects.backends, objects.policies, objects.revisions)
            age_s = time.time() - found.st_mtime
            self._problem = (
                f"local mode has said nothing for {age_s:.0f} s" if age_s > OLD_S else ""
            )
        except (OSError, msgspec.MsgspecError) as error:
            self._problem = f"what local mode says cannot be read: {error}"


def _name(item: Mapping[str, object]) -> object:
    about = item.get("metadata")
    return about.get("name") if isinstance(about, Mapping) else None


def read_orders(folder: Path) -> Orders:
    """By policy; empty where there are none."""
    try:
        return msgspec.json.decode((folder / ORDERS).read_bytes(), type=Orders)
    except (OSError, msgspec.MsgspecError):
        return {}


def write_order(folder: Path, policy: str, name: str, value: str | None) -> None:
    """Beside those that are there. Raises Away."""
    orders = read_orders(folder)
    orders.setdefault(policy, {})[name] = value
    write_whole(folder / ORDERS, msgspec.json.encode(orders))


def write_whole(path: Path, data: bytes) -> None:
    """Who reads sees all of it or what was before. Raises Away."""
    beside = path.with_suffix(".new")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)  # noqa: PTH105 - the atomic one by its name
    except OSError as error:
        raise Away(f"{path.name} cannot be written: {error.strerror}") from error
