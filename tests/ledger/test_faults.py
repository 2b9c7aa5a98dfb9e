"""Whatever is killed, cut off, frozen or full: every event is in the store once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.events.schema import Request
from tests.bench.fixtures import required
from tests.ledger.conftest import Place
from tests.ledger.events import SPOOL, frame, request
from tests.ledger.process import LedgerProcess, Sender, ledger_process
from tests.perf.processes import family
from tests.postgres import Cluster

pytestmark = pytest.mark.local
EVENTS = 4_000


def _events(spool: str, count: int = EVENTS) -> list[Request]:
    now_ms = time.time_ns() // 1_000_000
    return [
        request(
            number, decision=f"{spool}-{number}", at_ms=now_ms - number, backend=f"b{number % 3}"
        )
        for number in range(count)
    ]


def _stored(place: Place) -> tuple[int, int]:
    """Rows of requests, and different decisions among them."""
    if place.kind == "postgres":
        return place.execute("SELECT count(*), count(DISTINCT decision) FROM requests")[0]
    names = place.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'requests_2???????'")
    union = " UNION ALL ".join(f"SELECT decision FROM {name}" for (name,) in names)
    return place.execute(f"SELECT count(*), count(DISTINCT decision) FROM ({union})")[0]


def _assert_all_once(place: Place, wanted: int) -> None:
    """In the rows and in the sums of each span; nothing is said to be lost."""
    assert _stored(place) == (wanted, wanted)
    sums = "SELECT span_ms, sum(requests), sum(cost_nano) FROM rollups GROUP BY span_ms"
    assert {row[1:] for row in place.execute(sums)} == {(wanted, 1_000 * wanted)}
    assert place.execute("SELECT sum(lost) FROM spools") == [(0,)]


def test_killed_in_the_middle_of_ingests(place: Place) -> None:
    """SIGKILL five times while three writers send: all arrives, once."""
    ledger = LedgerProcess(place.flag)
    senders = [Sender(f"spool-{n:04}", _events(f"spool-{n:04}"), ledger) for n in range(3)]
    try:
        for sender in senders:
            sender.start()
        for _ in range(5):
            time.sleep(0.15)
            ledger.end(signal.SIGKILL)
            ledger = LedgerProcess(place.flag)
            for sender in senders:
                sender.target = ledger
        for sender in senders:
            sender.finish()
        assert ledger.end() == 0
    finally:
        ledger.end(signal.SIGKILL)
    assert sum(sender.answers.get(0, 0) for sender in senders) > 0  # some were cut off
    _assert_all_once(place, 3 * EVENTS)


def test_sigterm_finishes_what_was_begun(place: Place) -> None:
    """A writer that is sending meets a refusal, no loss; the process ends with 0."""
    ledger = LedgerProcess(place.flag)
    sender = Sender(SPOOL, _events(SPOOL), ledger)
    try:
        sender.start()
        time.sleep(0.2)
        assert ledger.end() == 0
        ledger = LedgerProcess(place.flag)
        sender.target = ledger
        sender.finish()
        assert ledger.end() == 0
    finally:
        ledger.end(signal.SIGKILL)
    _assert_all_once(place, EVENTS)


def test_two_replicas_take_the_same_spool_at_once(postgres_place: Place) -> None:
    """Each event is sent to both, by two writers that know nothing of each other."""
    with ledger_process(postgres_place.flag) as one, ledger_process(postgres_place.flag) as other:
        events = {f"spool-{n:04}": _events(f"spool-{n:04}", 2_000) for n in range(2)}
        senders = [
            Sender(spool, mine, target, size)
            for spool, mine in events.items()
            for target, size in ((one, 50), (other, 70))
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.finish()
        assert one.end() == other.end() == 0
    _assert_all_once(postgres_place, 4_000)


def test_a_file_may_have_two_ledgers(sqlite_place: Place) -> None:
    """By mistake, as at a rolling update: they wait for each other."""
    with ledger_process(sqlite_place.flag) as one, ledger_process(sqlite_place.flag) as other:
        senders = [Sender(SPOOL, _events(SPOOL), target) for target in (one, other)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.finish()
    _assert_all_once(sqlite_place, EVENTS)


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL that may be ended."""
    with Cluster() as cluster:
        yield cluster


@pytest.mark.usefixtures("postgres")
def test_postgres_crashes_and_comes_back(own_cluster: Cluster) -> None:
    """Fast, as by a crash, and for a second: 503 meanwhile, and the ledger lives on."""
    place = Place("postgres", own_cluster.database())
    with ledger_process(place.flag) as ledger:
        senders = [Sender(f"spool-{n:04}", _events(f"spool-{n:04}"), ledger) for n in range(2)]
        for sender in senders:
            sender.start()
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGQUIT):
            time.sleep(0.3)
            own_cluster.stop(number)
            time.sleep(0.5)
            if any(sender.is_alive() for sender in senders):
                assert (
                    ledger.ask("POST", "/v1/events", frame([request(1)], 1, "spool-x--"))[0] == 503
                )
            own_cluster.start()
        for sender in senders:
            sender.finish()
            assert sender.answers.keys() <= {200, 503}
        assert ledger.ask("GET", "/readyz")[0] == 200
        assert ledger.end() == 0
    _assert_all_once(place, 2 * EVENTS)


@pytest.mark.usefixtures("postgres")
def test_postgres_that_says_nothing_is_given_up(own_cluster: Cluster) -> None:
    """It takes the connection and is silent: 503 within the deadline, health at once."""
    place = Place("postgres", own_cluster.database())
    with ledger_process(place.flag, "--store-timeout-seconds=1") as ledger:
        assert ledger.ask("POST", "/v1/events", frame([request(1)]))[0] == 200
        frozen = family(own_cluster.pid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun_s = time.monotonic()
            assert ledger.ask("POST", "/v1/events", frame([request(2)], first=2))[0] == 503
            assert time.monotonic() - begun_s < 5
            begun_s = time.monotonic()
            assert ledger.ask("GET", "/healthz")[0] == 200
            assert time.monotonic() - begun_s < 1
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        sender = Sender(SPOOL, [request(1), request(2)], ledger)
        sender.start()
        sender.finish()
        assert ledger.end() == 0
    _assert_all_once(place, 2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "pointsman", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        reason = f"not run: no tmpfs: {done.stderr.strip()}"
        if required():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_takes_no_events_and_loses_none(small_disk: Path) -> None:
    """503 while it is full; once there is room all goes on, without a restart."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2_500_000))
    place = Place("sqlite", str(small_disk / "ledger.db"))
    with ledger_process(place.flag) as ledger:
        sender = Sender(SPOOL, _events(SPOOL, 2_000), ledger)
        sender.start()
        end_s = time.monotonic() + 30
        while not sender.answers.get(503) and time.monotonic() < end_s:
            time.sleep(0.01)
        assert sender.answers.get(503)
        assert ledger.ask("GET", "/healthz")[0] == 200
        assert ledger.ask("GET", "/v1/summary")[0] == 200
        filler.unlink()
        sender.finish()
        assert ledger.end() == 0
    _assert_all_once(place, 2_000)


def test_a_bound_on_the_file_is_kept(sqlite_place: Place) -> None:
    """--db-max-gib: 503 instead of a full disk for everybody else."""
    with ledger_process(sqlite_place.flag, "--db-max-gib=0.001") as ledger:
        answers = []
        for number in range(120):
            body = frame(_events(f"spool-{number:04}", 100), spool=f"spool-{number:04}")
            answers.append(ledger.ask("POST", "/v1/events", body)[0])
        assert answers[0] == 200
        assert answers[-1] == 503
        assert ledger.ask("GET", "/v1/summary")[1]["totals"][0]["requests"] == 100 * answers.count(
            200
        )
        assert ledger.end() == 0
    assert Path(sqlite_place.where).stat().st_size <= 1024**3 / 1000


@pytest.mark.parametrize("kind", ["text", "newer", "in no folder", "a folder"])
def test_a_store_that_cannot_be_used_ends_it(sqlite_place: Place, kind: str) -> None:
    """With 2, and one line that says why; nothing is overwritten."""
    path = Path(sqlite_place.where)
    if kind == "text":
        path.write_text("my notes\n" * 100)
    elif kind == "newer":
        sqlite_place.store().open()
        sqlite_place.close()
        sqlite_place.execute("INSERT INTO pointsman_schema VALUES (99, 'later')")
    elif kind == "a folder":
        path.mkdir()
    else:
        path = Path(sqlite_place.where) / "missing"
    before = path.read_bytes() if path.is_file() else b""
    done = subprocess.run(
        [sys.executable, "-m", "pointsman.ledger", f"--db={path}", "--listen=127.0.0.1:0"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr.splitlines()[-1]
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_migrating_back_by_the_command(place: Place) -> None:
    """It ends by itself; the next start goes forward again."""
    with ledger_process(place.flag) as ledger:
        assert ledger.ask("POST", "/v1/events", frame([request(1)]))[0] == 200
        assert ledger.end() == 0
    done = subprocess.run(
        [sys.executable, "-m", "pointsman.ledger", place.flag, "--migrate-to=1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "the store has schema 1 now\n")
    with ledger_process(place.flag) as ledger:
        assert ledger.ask("POST", "/v1/events", frame([request(2)], first=2))[1] == {"next": 3}
