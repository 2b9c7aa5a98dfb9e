"""The spool: what is put arrives once and in order, or is counted, whatever disk and ledger do."""

import errno
import logging
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.events import frames
from pointsman.events.metrics import kept
from pointsman.events.schema import MAX_EVENT_BYTES, REVIEWING, ROUTERS
from pointsman.events.segments import Bounds, Segments
from pointsman.events.spool import Spool

_SPOOL = "0123456789abcdef"
_CLOSE_S = 10.0


def _no_timer(_: float, __: Callable[[], None]) -> None:
    """Tests flush by hand."""


def _lines(first: int, count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


def _drain(segments: Segments, most_bytes: int = 1 << 20) -> list[bytes]:
    """What a ledger would get, all of it acknowledged."""
    found: list[bytes] = []
    while (batch := segments.next_batch(most_bytes)) is not None:
        for frame in frames.read_all(batch.data):
            found.extend(frame.lines())
        segments.taken(batch, batch.after)
    return found


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Segments]]:
    """Makes Segments on one folder; each but the last was released, as if its process had ended."""
    made: list[Segments] = []

    def make(folder: Path | None = tmp_path, **bounds: int) -> Segments:
        if made:
            made[-1].release()
        segments = Segments(folder, Bounds(**bounds))
        segments.recover()
        made.append(segments)
        return segments

    yield make
    for segments in made:
        segments.release()


def test_what_is_put_arrives_in_order(tmp_path: Path) -> None:
    """Through both threads' hands, and nothing is left on disk once it was taken."""
    spool = Spool(tmp_path, later=_no_timer)
    spool.start()
    for line in _lines(1, 5000):
        spool.put(line)
    assert spool.close(_CLOSE_S)
    assert _drain(spool.segments) == _lines(1, 5000)
    assert list(tmp_path.glob("*.events")) == []
    assert spool.dropped == {}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12))
@pytest.mark.slow
def test_a_restart_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    """Whenever the process ends without a word, its successor sends what was not taken."""
    folder = tmp_path_factory.mktemp("spool")
    found: list[bytes] = []
    sent = 0
    for run, (count, taken) in enumerate(steps):
        segments = Segments(folder, Bounds(segment_bytes=200))
        segments.recover()
        segments.add(f"{run:016x}", 1, _lines(sent + 1, count), 1, run)
        sent += count
        if taken:
            batch = segments.next_batch(100)
            assert batch is not None
            for frame in frames.read_all(batch.data):
                found.extend(frame.lines())
            segments.taken(batch, batch.after)
        assert segments._lock is not None
        os.close(segments._lock)  # what the end of a process does, and no more
    segments = Segments(folder, Bounds())
    segments.recover()
    found.extend(_drain(segments))
    segments.release()
    assert list(dict.fromkeys(found)) == _lines(1, sent), "in order, all; some twice"


def test_a_clock_that_goes_back_reorders_nothing(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """Files are named by time: a ledger that got later numbers first would call the others lost."""
    segments = opened(segment_bytes=1)
    for first, now_ms in ((1, 9_000), (3, 8_000), (5, 8_500)):
        segments.add(_SPOOL, first, _lines(first, 2), 1, now_ms)
    segments.add("fedcba9876543210", 1, _lines(7, 1), 1, 8_100)
    (tmp_path / "notes.events").write_text("of somebody")
    assert _drain(opened()) == _lines(1, 7)


def test_a_torn_end_is_left_out(opened: Callable[..., Segments], tmp_path: Path) -> None:
    """Of a frame that a power failure cut, nothing is sent, and all before it is."""
    segments = opened()
    segments.add(_SPOOL, 1, _lines(1, 3), 1, 0)
    segments.release()
    (path,) = tmp_path.glob("*.events")
    path.write_bytes(path.read_bytes() + frames.build(1, _SPOOL, 4, _lines(4, 9))[:-5])
    assert _drain(opened()) == _lines(1, 3)


def test_damage_is_passed_over_and_counted(opened: Callable[..., Segments], tmp_path: Path) -> None:
    """The frames around a damaged one arrive."""
    segments = opened()
    for first in (1, 11, 21):
        segments.add(_SPOOL, first, _lines(first, 10), 1, 0)
    segments.release()
    (path,) = tmp_path.glob("*.events")
    data = bytearray(path.read_bytes())
    data[data.index(b'{"n":15}')] ^= 1
    path.write_bytes(data)
    segments = opened()
    assert _drain(segments) == _lines(1, 10) + _lines(21, 10)
    assert segments.dropped == {"Damaged": 10}


def test_a_head_that_claims_more_hides_nothing(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """A size that was damaged to reach beyond the file is damage, not the file's end."""
    segments = opened()
    segments.add(_SPOOL, 1, _lines(1, 10), 1, 0)
    segments.add(_SPOOL, 11, _lines(11, 10), 1, 0)
    segments.release()
    (path,) = tmp_path.glob("*.events")
    data = path.read_bytes()
    size = b" %d " % len(frames.read(data)[0].body)
    path.write_bytes(data.replace(size, b" %d " % 999_999, 1))
    assert _drain(opened()) == _lines(11, 10)


def test_the_oldest_goes_when_the_disk_is_full_of_it(opened: Callable[..., Segments]) -> None:
    """The bound holds, and what was dropped plus what arrives is what was put."""
    segments = opened(segment_bytes=1000, disk_bytes=10_000)
    for first in range(1, 5001, 10):
        segments.add(_SPOOL, first, _lines(first, 10), 1, 0)
        assert segments.bytes_held()[0] <= 10_000 + 1000
    arrived = _drain(segments)
    assert arrived[-1] == _lines(5000, 1)[0]
    assert arrived == _lines(5001 - len(arrived), len(arrived))
    assert segments.dropped == {"SpoolFull": 5000 - len(arrived)}


def test_what_is_being_sent_is_not_dropped(opened: Callable[..., Segments]) -> None:
    """The ledger may have it: what is counted as lost never arrives, whatever arrives."""
    segments = opened(segment_bytes=1000, disk_bytes=3000)
    segments.add(_SPOOL, 1, _lines(1, 200), 1, 0)
    batch = segments.next_batch(100)
    assert batch is not None
    for first in range(201, 1001, 100):
        segments.add(_SPOOL, first, _lines(first, 100), 1, 0)
    segments.taken(batch, batch.after)
    arrived = [line for frame in frames.read_all(batch.data) for line in frame.lines()]
    arrived += _drain(segments)
    assert len(set(arrived)) + segments.dropped["SpoolFull"] == 1000
    assert arrived[:200] == _lines(1, 200)


def test_memory_is_bounded_without_a_folder(opened: Callable[..., Segments]) -> None:
    """The same in memory alone."""
    segments = opened(None, segment_bytes=1000, memory_bytes=10_000)
    for first in range(1, 5001, 10):
        segments.add(_SPOOL, first, _lines(first, 10), 1, 0)
    arrived = _drain(segments)
    assert segments.dropped == {"MemoryFull": 5000 - len(arrived)}
    assert len(arrived) > 100


def test_a_full_disk_moves_it_to_memory_and_back(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """What the disk does not take is kept and sent in its turn; then files are written again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    segments = opened()
    segments.add(_SPOOL, 1, _lines(1, 100), 1, 0)
    try:  # the kernel refuses writes past this size, in the middle of a frame
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
        segments.add(_SPOOL, 101, _lines(101, 100), 1, 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        segments.add(_SPOOL, 201, _lines(201, 100), 1, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    segments.close()
    segments.add(_SPOOL, 301, _lines(301, 100), 1, 3)
    assert len([p for p in tmp_path.glob("*.events") if p.stat().st_size]) >= 2
    assert _drain(segments) == _lines(1, 400)
    assert segments.dropped == {}


def test_an_unusable_folder_is_no_end(tmp_path: Path) -> None:
    """A folder that is a file: everything is in memory, and arrives."""
    path = tmp_path / "file"
    path.write_text("not a folder")
    spool = Spool(path, later=_no_timer)
    spool.start()
    spool.put(b"{}")
    assert spool.close(_CLOSE_S)
    assert _drain(spool.segments) == [b"{}"]


def test_a_folder_has_one_writer(opened: Callable[..., Segments], tmp_path: Path) -> None:
    """A second process leaves the files of the first alone."""
    opened().add(_SPOOL, 1, _lines(1, 3), 1, 0)
    second = Segments(tmp_path, Bounds())
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        second.recover()
    second.add("fedcba9876543210", 1, _lines(7, 1), 1, 0)
    assert _drain(second) == _lines(7, 1)
    assert len(list(tmp_path.glob("*.events"))) == 1


def test_a_file_that_cannot_be_read_stays_where_it_is(
    opened: Callable[..., Segments], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The files around it arrive, what is put goes to the disk, and its name is in the log."""
    caplog.set_level(logging.WARNING, "pointsman")  # `pointsman up` in a test before is quieter
    opened(segment_bytes=1).add(_SPOOL, 1, _lines(1, 3), 1, 1)
    (tmp_path / f"0-{_SPOOL}-0.events").mkdir()
    segments = opened()
    segments.add("fedcba9876543210", 1, _lines(4, 3), 1, 2)
    assert segments.bytes_held()[1] == 0
    assert _drain(segments) == _lines(1, 6)
    segments.release()
    assert [path.is_dir() for path in tmp_path.glob("*.events")] == [True]
    assert f"0-{_SPOOL}-0.events" in str([vars(record) for record in caplog.records])


def test_a_folder_that_could_not_be_read_is_taken_over_later(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """By the same process: what it could not do did not leave the folder locked."""
    opened().add(_SPOOL, 1, _lines(1, 3), 1, 1)
    opened().release()
    segments = Segments(tmp_path, Bounds())
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "last").open("w") as last:
        try:  # there is a descriptor for the lock, and none to look into the folder with
            resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 2, before[1]))
            with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                segments.recover()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    segments.recover()
    assert _drain(segments) == _lines(1, 3)
    segments.release()


def test_a_file_is_cut_to_its_own_length(tmp_path: Path) -> None:
    """Its events are there after the end, whatever came of the folder between them and the next."""
    (tmp_path / f"0-{_SPOOL}-0.events").mkdir()
    segments = Segments(tmp_path, Bounds())
    with suppress(OSError):
        segments.recover()
    segments.add(_SPOOL, 1, _lines(1, 100), 1, 1)
    with suppress(OSError):  # once more, as by a spool whose folder could not be used
        segments.recover()
    segments.add(_SPOOL, 101, _lines(101, 1), 1, 2)
    segments.release()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("*.events") if path.is_file())
    assert [n for frame in frames.read_all(written) for n in frame.lines()] == _lines(1, 101)


def test_a_hanging_disk_is_bounded_too() -> None:
    """While the thread writes nothing, `put` keeps what fits and counts the rest."""
    spool = Spool(None, later=_no_timer, bounds=Bounds(memory_bytes=100_000))
    for _ in range(2000):  # the thread was never started
        spool.put(b"x" * 100)
    assert spool.dropped == {"MemoryFull": 1000}


def test_an_event_over_the_bound_is_counted() -> None:
    """It would fit no frame."""
    spool = Spool(None, later=_no_timer)
    spool.put(b"x" * (MAX_EVENT_BYTES + 1))
    assert spool.dropped == {"TooLarge": 1}


def test_every_kind_of_loss_is_told_before_the_first() -> None:
    """Prometheus sees no growth in a series that is born with a value."""
    spool = Spool(None, later=_no_timer)

    def told() -> dict[str, float]:
        dropped = next(iter(kept("", spool)))
        return {sample.labels["reason"]: sample.value for sample in dropped.samples}

    zeros = dict.fromkeys(("SpoolFull", "MemoryFull", "Damaged", "TooLarge", "Bug"), 0.0)
    assert told() == zeros
    spool.put(b"x" * (MAX_EVENT_BYTES + 1))
    assert told() == zeros | {"TooLarge": 1}


def test_a_batch_that_is_sent_again_is_cut_the_same(opened: Callable[..., Segments]) -> None:
    """Not acknowledged, it comes again; acknowledged beyond it, what the ledger has is left out."""
    segments = opened()
    for first in range(1, 101, 10):
        segments.add(_SPOOL, first, _lines(first, 10), 1, 0)
    one = segments.next_batch(10)
    two = segments.next_batch(10)
    assert one is not None
    assert two is not None
    assert one.data == two.data
    segments.taken(one, 51)
    rest = segments.next_batch(1 << 20)
    assert rest is not None
    assert [frame.first for frame in frames.read_all(rest.data)] == [51, 61, 71, 81, 91]


@pytest.mark.parametrize("has", range(6, 32, 5))
def test_what_the_ledger_has_may_end_anywhere(opened: Callable[..., Segments], has: int) -> None:
    """Of a file that was found, and longer than what is read at once: the rest is sent, whole."""
    wide = [b'{"n":%d,"x":"%s"}' % (number, b"x" * 1000) for number in range(1, 6401)]
    segments = opened()
    for first in range(0, 6400, 200):
        segments.add(_SPOOL, first + 1, wide[first : first + 200], 1, 0)
    segments = opened()
    batch = segments.next_batch(1 << 20)
    assert batch is not None
    segments.taken(batch, has * 200 + 1)
    assert _drain(segments) == wide[has * 200 :]
    assert segments.dropped == {}


def test_a_file_that_became_shorter_is_passed_over(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """What is not there any more is counted, and what is behind it arrives."""
    opened(segment_bytes=1).add(_SPOOL, 1, _lines(1, 3), 1, 0)
    segments = opened()
    segments.add("fedcba9876543210", 1, _lines(4, 3), 1, 1)
    min(tmp_path.glob("*.events")).write_bytes(b"")
    assert _drain(segments) == _lines(4, 3)
    assert segments.dropped == {"Damaged": 3}


@contextmanager
def _no_more_files() -> Iterator[None]:
    """As in a router whose clients have taken all descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_cannot_be_read_now_is_read_later(opened: Callable[..., Segments]) -> None:
    """A process without a descriptor left knows nothing of a file: it is neither lost nor gone."""
    segments = opened()
    segments.add(_SPOOL, 1, _lines(1, 3), 1, 0)
    with _no_more_files(), pytest.raises(OSError, match="open files"):
        segments.next_batch(1 << 20)
    assert _drain(segments) == _lines(1, 3)
    assert segments.dropped == {}


def test_what_cannot_be_read_for_long_makes_room(
    opened: Callable[..., Segments], tmp_path: Path
) -> None:
    """Nothing of it was sent, so it is known what is lost."""
    segments = opened(segment_bytes=1, disk_bytes=300)
    segments.add(_SPOOL, 1, _lines(1, 3), 1, 0)
    (path,) = tmp_path.glob("*.events")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        segments.next_batch(1 << 20)
    for first in range(4, 64, 3):
        segments.add(_SPOOL, first, _lines(first, 3), 1, 0)
    left = _drain(segments)
    assert left[-1] == _lines(63, 1)[0]
    assert segments.dropped == {"SpoolFull": 63 - len(left)}


@pytest.mark.parametrize(("schema", "version"), [(None, 1), (2, 2)])
def test_frames_say_what_a_ledger_has_to_know(schema: int | None, version: int) -> None:
    """Routers write the first version: a ledger of the release before takes what they send."""
    own = Spool(None, later=_no_timer)
    spool = own if schema is None else Spool(None, later=_no_timer, schema=schema)
    spool.start()
    spool.put(b"{}")
    assert spool.close(_CLOSE_S)
    batch = spool.segments.next_batch(1 << 20)
    assert batch is not None
    assert [frame.schema for frame in frames.read_all(batch.data)] == [version]


def test_a_review_needs_a_newer_ledger() -> None:
    """From then on, and it never goes back."""
    spool = Spool(None, later=_no_timer)
    spool.start()
    spool.needs(REVIEWING)
    spool.needs(ROUTERS)
    spool.put(b"{}")
    assert spool.close(_CLOSE_S)
    batch = spool.segments.next_batch(1 << 20)
    assert batch is not None
    assert [frame.schema for frame in frames.read_all(batch.data)] == [REVIEWING]
