"""The bench of the router: a wrong answer is an error, never a fast one; nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.perf import generator, peers, processes
from tests.perf.peers import debian
from tests.perf.resting import STREAMS, memory_mib, rest

pytestmark = pytest.mark.local
SHORT: dict[str, object] = {"connections": 8, "warm": "100ms", "window": "300ms"}
STREAM: dict[str, object] = SHORT | {"kind": "stream", "events": 8}
ALL = ",".join(map(str, sorted(os.sched_getaffinity(0))))


@pytest.fixture(scope="module")
def binary() -> Path:
    """Load and mock."""
    return generator.build()


@pytest.mark.parametrize("flags", [SHORT, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("through", ["direct", "plain", "tasks"])
def test_right_answers_are_counted(binary: Path, flags: dict[str, object], through: str) -> None:
    """Straight from the mock and through the router; chunks of streams too."""
    with generator.mock(binary, ALL, "-gap", "5ms") as ports:
        if through == "direct":
            seen, _ = generator.load(binary, ALL, ports[0], flags)
        else:
            with peers.ours(through)(ALL, ports) as proxy:
                seen, (used_s,) = generator.load(
                    binary, ALL, proxy.port, flags, lambda: (processes.cpu_s(proxy.pids),)
                )
                assert used_s > 0

    assert (seen.errors, seen.error_samples) == (0, None)
    assert seen.answers > 0
    assert (seen.chunks > seen.answers) == (flags is STREAM)


@pytest.mark.parametrize(
    ("wrong", "flags", "said"),
    [
        ("status", SHORT, "status: HTTP/1.1 400"),
        ("text", SHORT, "the body differs"),
        ("cut", SHORT, "ended within an answer"),
        ("lost", STREAM, "the body differs"),
    ],
)
def test_a_wrong_answer_is_an_error(
    binary: Path, wrong: str, flags: dict[str, object], said: str
) -> None:
    """A refusal, another text, half an answer, a stream without one of its events."""
    with generator.mock(binary, ALL, "-gap", "5ms", "-wrong", wrong) as ports:
        seen, _ = generator.load(binary, ALL, ports[0], flags)

    assert seen.errors > 0
    assert said in (seen.error_samples or [""])[0]
    assert seen.answers == 0


@pytest.mark.parametrize(
    ("wrong", "flags", "said"),
    [
        ("text", SHORT, "the answer lacks"),
        ("status", SHORT, "status: HTTP/1.1 400"),
        ("lost", STREAM, "is not in the answer"),
    ],
)
def test_who_compares_texts_only_still_sees_a_wrong_one(
    binary: Path, wrong: str, flags: dict[str, object], said: str
) -> None:
    """Right ones are counted; other words, or a stream without one of its events, are not."""
    flags = flags | {"lax": "true"}
    with generator.mock(binary, ALL, "-gap", "5ms") as ports:
        right, _ = generator.load(binary, ALL, ports[0], flags)
    with generator.mock(binary, ALL, "-gap", "5ms", "-wrong", wrong) as ports:
        seen, _ = generator.load(binary, ALL, ports[0], flags)

    assert (right.errors, right.error_samples) == (0, None)
    assert right.answers > 0
    assert said in (seen.error_samples or [""])[0]
    assert seen.answers == 0


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
@pytest.mark.parametrize("flags", [SHORT, STREAM], ids=["whole", "stream"])
def test_debians_proxies_pass_right_answers_on(
    binary: Path, flags: dict[str, object], name: str
) -> None:
    """Where they are installed; their start is timed, and all of their processes are known."""
    if debian.version(name) is None:
        pytest.skip(f"not run: {name} is not installed")
    start = peers.available([name])[name]
    with generator.mock(binary, ALL, "-gap", "5ms") as ports, start(ALL, ports) as proxy:
        seen, _ = generator.load(binary, ALL, proxy.port, flags)
        assert memory_mib(proxy.pids)[0] > 1

    assert (seen.errors, seen.error_samples) == (0, None)
    assert seen.answers > 0
    assert 0 < proxy.start_s < 60


def test_what_a_proxy_takes_at_rest_is_looked_at(binary: Path) -> None:
    """All streams were open while its memory was read."""
    with generator.mock(binary, ALL) as ports:
        seen = rest(binary, "plain", peers.ours("plain"), ports, 0)

    assert (seen.streams, seen.errors) == (STREAMS, 0)
    assert seen.start_s > 0
    assert seen.rss_mib > seen.pss_mib > 1
    assert seen.rss_mib_1000 > 1


@pytest.mark.parametrize("through", ["direct", "plain", "tasks"])
def test_a_fixed_rate_is_kept_beside_long_prompts(binary: Path, through: str) -> None:
    """As many as were due, and the long ones are answered but in no other figure."""
    flags: dict[str, object] = {"connections": 16, "rate": 100, "long": 5}
    flags |= {"warm": "500ms", "window": "1s"}
    with generator.mock(binary, ALL) as ports:
        if through == "direct":
            seen, _ = generator.load(binary, ALL, ports[0], flags)
        else:
            with peers.ours(through)(ALL, ports) as proxy:
                seen, _ = generator.load(binary, ALL, proxy.port, flags)

    assert (seen.errors, seen.error_samples) == (0, None)
    assert seen.longs >= 1
    assert 50 <= seen.answers <= 150


def test_a_request_that_no_connection_was_free_for_counts_from_when_it_was_due(
    binary: Path,
) -> None:
    """A rate beyond what one connection takes shows as latency, not as fewer requests."""
    flags: dict[str, object] = {"connections": 1, "rate": 1_000_000, "window": "300ms"}
    with generator.mock(binary, ALL) as ports:
        seen, _ = generator.load(binary, ALL, ports[0], flags)

    assert seen.p50_us > 50_000


def test_silent_streams_are_open_at_once_and_one_that_is_not_is_an_error(binary: Path) -> None:
    """Each has one event; a backend that refuses opens none."""
    flags = SHORT | {"kind": "silent", "connections": 50, "warm": "1s"}
    with generator.mock(binary, ALL) as ports, peers.ours("plain")(ALL, ports) as proxy:
        opened, _ = generator.load(binary, ALL, proxy.port, flags)
        assert processes.memory_kib(proxy.pids[0])[0] > 0
    refused, _ = generator.load(binary, ALL, peers.free_port(), flags)

    assert (opened.answers, opened.errors) == (50, 0)
    assert refused.answers == 0
    assert refused.errors >= 50


def test_a_proxy_that_is_not_there_is_an_error(binary: Path) -> None:
    """Not a window with nothing in it."""
    seen, _ = generator.load(binary, ALL, peers.free_port(), SHORT)

    assert seen.errors > 0


def test_what_was_started_ends_with_its_parent(binary: Path) -> None:
    """Also when the parent is killed."""
    code = (
        "import sys, time; from pathlib import Path; from tests.perf.generator import mock\n"
        f"with mock(Path({str(binary)!r}), {ALL!r}) as ports: print(*ports, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        children = processes.family(parent.pid)[1:]
        assert len(children) == 1
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    end_s = time.monotonic() + 30
    while Path(f"/proc/{children[0]}").exists() and not _is_zombie(children[0]):
        assert time.monotonic() < end_s, "the mock outlived its parent"


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_cpu_time_is_exact_and_idleness_is_seen() -> None:
    """A child that burns as much as it says; one that never rests, and one that does."""
    burn = (
        "import sys, time\n"
        "while time.process_time() < 0.2: pass\n"
        "print(time.process_time(), flush=True); input()\n"
        "while True: pass"
    )
    with processes.started(ALL, sys.executable, "-c", burn) as child:
        said_s = float(processes.line(child))
        assert processes.until_idle([child.pid])
        seen_s = processes.cpu_s([child.pid])
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        while processes.cpu_s([child.pid]) < seen_s + 0.05:
            pass
        assert not processes.until_idle([child.pid], within_s=0.01)

    assert said_s <= seen_s < said_s + 0.1


def test_the_work_of_a_core_holds_that_of_its_processes() -> None:
    """What others do there is seen."""
    core = processes.cores()[0]
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True); input()"
    before_s = processes.core_busy_s(core)
    with processes.started(core, sys.executable, "-c", code) as child:
        processes.line(child)
        grown_s = processes.core_busy_s(core) - before_s
    assert grown_s >= 0.2
