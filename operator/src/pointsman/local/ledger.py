"""The ledger of local mode: a process of its own on loopback, started again when it ends.

Guarantees that a ledger which cannot start holds up nothing: its events wait in memory.
"""

import getpass
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pointsman.events.ship import Target
from pointsman.ledger.people.roles import is_name
from pointsman.local.processes import Processes, Wanted, free_port
from pointsman.local.signing_keys import SigningKeys

_KEY: Final = "ledger"


class LocalLedger:
    """
    On the file `db`; its port stays the same while the session lasts.

    Its console is for whoever is on this machine, and shows what is written into `fleet`.
    """

    def __init__(self, db: Path, directory: Path, changed: Callable[[], None]) -> None:
        self.db = db
        self.fleet = directory / "fleet"
        self.fleet.mkdir(exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.target = Target(url=self.url)
        self._processes = Processes(directory, changed)
        self.console = f"{self.url}/console/" if has_console() else ""
        self.keys = SigningKeys(directory / "webhook-keys")
        self._unsigned = ""
        """Why webhooks are signed with other keys than the files have."""
        argv = (
            sys.executable, "-m", "pointsman.ledger", f"--db={db}", f"--listen=127.0.0.1:{port}",
            f"--webhook-keys-dir={self.keys.folder}",
            *([f"--local-person={_me()}", f"--console-fleet={self.fleet}"] if self.console else []),
        )  # fmt: skip
        self._wanted = {_KEY: Wanted(argv=argv, port=port, health="/healthz")}

    def start(self) -> None:
        """Begin; returns at once."""
        self._processes.apply(self._wanted)

    async def close(self) -> None:
        """What it has taken is on disk."""
        await self._processes.close()

    def hurry(self) -> None:
        """Do not wait for it."""
        self._processes.hurry()

    def sign_with(self, keys: Mapping[str, bytes]) -> None:
        """Webhooks from now on; a full disk is told, and costs no request."""
        try:
            self.keys.keep(keys)
            self._unsigned = ""
        except OSError as error:
            self._unsigned = f"cannot be kept: {error.strerror}"

    def state(self) -> str:
        """For people."""
        run = self._processes.running.get(_KEY)
        if run is None:
            return "not started"
        if run.failure:
            return f"failing, and tried again and again: {run.failure}"
        return f"at {self.url}" if run.state == "Ready" else "starting"

    def told(self) -> dict[str, str]:
        """By subject: the ledger, its console once it answers, keys that it lacks."""
        run = self._processes.running.get(_KEY)
        is_ready = run is not None and run.state == "Ready"
        console = {"console": f"at {self.console}"} if self.console and is_ready else {}
        unsigned = {"webhook keys": self._unsigned} if self._unsigned else {}
        return {"ledger": self.state(), **console, **unsigned}


def has_console() -> bool:
    """Whether its libraries are installed: a ledger does without them."""
    return all(importlib.util.find_spec(name) for name in ("jinja2", "joserfc"))


def _me() -> str:
    """Who is at this machine, for claims and the audit trail."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # no name for this user id
        return "you"
    return name if is_name(name) else "you"
