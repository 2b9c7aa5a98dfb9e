"""A ledger as a process, with reviews in it, and a proxy for each of its people."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pointsman.events.reviews import Opening
from tests.browser.proxy import FLAGS, Proxy
from tests.ledger.process import LedgerProcess, ledger_process
from tests.ledger.reviewing.desks import Caller

PEOPLE = {"ada": "reviewers", "ben": "reviewers", "vera": "readers", "otto": "platform"}


class Desk:
    """`at` gives the URL under which this person is signed in."""

    def __init__(self, ledger: LedgerProcess, stack: ExitStack) -> None:
        self.ledger = ledger
        self._stack = stack
        self._proxies: dict[str, Proxy] = {}

    def at(self, name: str) -> str:
        """Their proxy's."""
        if name not in self._proxies:
            proxy = Proxy(self.ledger.port, name, PEOPLE[name])
            self._proxies[name] = self._stack.enter_context(proxy)
        return self._proxies[name].url

    def hold(self, opening: Opening) -> None:
        """As a router does."""
        status, told = Caller(self.ledger.port).post("/v1/reviews", opening)
        assert status in (200, 201), told

    def outcome(self, id_: str) -> dict[str, str]:
        """What the router that waits for it is told; empty while nothing is decided."""
        asked = {"ids": [id_], "wait_s": 0}
        status, told = Caller(self.ledger.port).post("/v1/reviews/decided", asked)
        assert status == 200, told
        found: dict[str, str] = told["decided"][0] if told["decided"] else {}
        return found


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """On the store and the fleet of this folder, empty ones if there are none."""
    flags = (f"--db={folder / 'ledger.db'}", f"--console-fleet={folder}", *FLAGS)
    with ExitStack() as stack:
        process = stack.enter_context(ledger_process(*flags))
        yield Desk(process, stack)
