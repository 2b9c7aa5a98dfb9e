"""What commands ask a ledger: its process by HTTP, or its SQLite file beside it.

Guarantees that a question ends within its deadline, that at most one page of requests is held, and
that a file is only looked at. Whatever goes wrong is NoLedger with one line that says why.
"""

import contextlib
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from pointsman.cli.arguments import is_url
from pointsman.cli.straight import NoToken, Refused, Unanswered, asked, bearer
from pointsman.events.schema import Request
from pointsman.ledger.asking import BadQuestion, ask, ask_labels, when
from pointsman.ledger.contract import PAGE, Page, StoreError
from pointsman.ledger.labels import Labels
from pointsman.ledger.rows import event_of
from pointsman.ledger.stores.sqlite import SqliteStore
from pointsman.ledger.summary import By, Summary

LEDGER: Final = "http://127.0.0.1:9903"
TIMEOUT_S: Final = 30.0
MAX_BYTES: Final = 64 * 1024 * 1024
SQLITE: Final = b"SQLite format 3\0"
"""How such a file begins."""
BY: Final[tuple[By, ...]] = ("backend", "task")
_T = TypeVar("_T")


class NoLedger(Exception):
    """The text says why it cannot be asked."""


class Ledger(Protocol):
    """Times are as `when` reads them: 24h, 7d, 2026-11-26T07:00:00Z. All raise NoLedger."""

    def summary(self, since: str, until: str, by: tuple[By, ...] = BY) -> Summary:
        """Sums of the window."""

    def requests(self, since: str, until: str) -> Iterator[Request]:
        """Each request of the window, by the page."""

    def request(self, decision: str) -> Request | None:
        """The one with this decision id."""

    def labels(self, policy: str, since_s: float) -> Labels:
        """How good its answers of the last so many seconds were."""


class LedgerFile:
    """A SQLite file; `close` it."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path, keep_events_ms=0)
        with _told():
            self._store.look()

    def close(self) -> None:
        """Give the file back."""
        self._store.close()

    def summary(self, since: str, until: str, by: tuple[By, ...] = BY) -> Summary:
        """See Ledger."""
        with _told():
            return ask(self._store, *window(since, until), by)

    def requests(self, since: str, until: str) -> Iterator[Request]:
        """See Ledger."""
        from_ms, to_ms = window(since, until)
        after = ""
        while True:
            with _told():
                rows, after = self._store.page(from_ms, to_ms, after, PAGE)
            yield from map(event_of, rows)
            if not after:
                return

    def request(self, decision: str) -> Request | None:
        """See Ledger."""
        with _told():
            found = self._store.recorded(decision)
        return event_of(found[0]) if found else None

    def labels(self, policy: str, since_s: float) -> Labels:
        """See Ledger."""
        now_ms = time.time_ns() // 1_000_000
        with _told():
            return ask_labels(self._store, policy, now_ms - int(since_s * 1000), now_ms)


class LedgerProcess:
    """A URL, and a file with its bearer token if it wants one."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        if not is_url(url):
            raise NoLedger(
                f"--ledger has to be a URL such as {LEDGER}, or a ledger's SQLite file, not {url}"
            )
        self._url = url.rstrip("/")
        try:
            self._headers = bearer(token_file) if token_file is not None else {}
        except NoToken as error:
            raise NoLedger(f"--token-file {error}") from None

    def close(self) -> None:
        """Nothing is kept open."""

    def summary(self, since: str, until: str, by: tuple[By, ...] = BY) -> Summary:
        """See Ledger."""
        asked = {"since": since, "until": until, "by": ",".join(by)}
        return self._get("/v1/summary", asked, Summary)

    def requests(self, since: str, until: str) -> Iterator[Request]:
        """See Ledger. The window is fixed at the first page: times ago would move."""
        from_ms, to_ms = window(since, until)
        asked = {"since": _moment(from_ms), "until": _moment(to_ms), "after": ""}
        while True:
            page = self._get("/v1/requests", asked, Page)
            yield from page.requests
            if not page.after:
                return
            asked["after"] = page.after

    def request(self, decision: str) -> Request | None:
        """See Ledger."""
        try:
            return self._get(f"/v1/requests/{urllib.parse.quote(decision, safe='')}", {}, Request)
        except _NotFound:
            return None

    def labels(self, policy: str, since_s: float) -> Labels:
        """See Ledger."""
        asked = {"policy": policy, "since": f"{max(1, round(since_s / 60))}m"}
        return self._get("/v1/labels", asked, Labels)

    def _get(self, path: str, query: dict[str, str], kind: type[_T]) -> _T:
        url = f"{self._url}{path}?{urllib.parse.urlencode(query)}"
        try:
            data = asked(url, timeout_s=TIMEOUT_S, most_bytes=MAX_BYTES, headers=self._headers)
            return msgspec.json.decode(data, type=kind)
        except Refused as error:
            if error.status == 404:
                raise _NotFound(f"{self._url} answered 404: {_reason(error)}") from None
            hint = ": --token-file is needed" if error.status == 401 else f": {_reason(error)}"
            raise NoLedger(f"{self._url} answered {error.status}{hint}") from None
        except (Unanswered, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NoLedger(unasked(self._url, error)) from None


def unasked(url: str, error: Exception) -> str:
    """Why nobody answered there, and, where no URL was given, whose may be meant."""
    elsewhere = "; that of `pointsman up` is where it says: --ledger URL" if url == LEDGER else ""
    return f"{url} cannot be asked: {error}{elsewhere}"


class _NotFound(NoLedger):
    """404."""


def window(since: str, until: str) -> tuple[int, int]:
    """[from, to) as Unix time in ms. Raises BadQuestion."""
    now_ms = time.time_ns() // 1_000_000
    from_ms, to_ms = when(since, now_ms), when(until, now_ms)
    if from_ms >= to_ms:
        raise BadQuestion("--since has to be before --until")
    return from_ms, to_ms


@contextlib.contextmanager
def opened(where: str, token_file: Path | None = None) -> Iterator[Ledger]:
    """The ledger at a URL, or in a file. Raises NoLedger."""
    ledger = LedgerFile(Path(where)) if _is_path(where) else LedgerProcess(where, token_file)
    try:
        yield ledger
    finally:
        ledger.close()


def _is_path(where: str) -> bool:
    """Of a file that is there or could be; what cannot be looked at is a path, too."""
    try:
        return "://" not in where and (where.endswith(".db") or Path(where).exists())
    except OSError:
        return True


def is_ledger(where: str) -> bool:
    """Whether this names a ledger rather than a file of requests."""
    if "://" in where:
        return True
    try:
        path = Path(where)
        if not path.is_file():  # a pipe can be read only once
            return False
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise NoLedger(str(error)) from None


def _moment(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03}Z"


def _reason(error: Refused) -> str:
    try:
        return str(msgspec.json.decode(error.body, type=dict[str, str]).get("reason", ""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error.phrase
