"""The ledger of local mode: a process of its own on loopback, started again when it ends.

Guarantees that a ledger which cannot start holds up nothing: its events wait in memory.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pointsman.events.ship import Target
from pointsman.local.processes import Processes, Wanted, free_port

_KEY: Final = "ledger"


class LocalLedger:
    """On the file `db`; its port stays the same while the session lasts."""

    def __init__(self, db: Path, directory: Path, changed: Callable[[], None]) -> None:
        self.db = db
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.target = Target(url=self.url)
        self._processes = Processes(directory, changed)
        argv = (
            sys.executable, "-m", "pointsman.ledger", f"--db={db}", f"--listen=127.0.0.1:{port}",
        )  # fmt: skip
        self._wanted = {_KEY: Wanted(argv=argv, port=port, health="/healthz")}

    async def start(self) -> None:
        """Begin; returns at once."""
        await self._processes.apply(self._wanted)

    async def close(self) -> None:
        """What it has taken is on disk."""
        await self._processes.close()

    def hurry(self) -> None:
        """Do not wait for it."""
        self._processes.hurry()

    def state(self) -> str:
        """For people."""
        run = self._processes.running.get(_KEY)
        if run is None:
            return "not started"
        if run.failure:
            return f"failing, and tried again and again: {run.failure}"
        return f"at {self.url}" if run.state == "Ready" else "starting"
