"""Model servers as local processes: real processes, real ports."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pointsman.local.output import MAX_FILE_BYTES
from pointsman.local.processes import POLL_S, Processes, Wanted, back_off_s, free_port
from pointsman.local.saying import state_of_processes

pytestmark = pytest.mark.local

SIMULATOR = (
    sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
    "--port", "{port}",
)  # fmt: skip


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """None is left when the test ends."""
    runner = Processes(tmp_path, lambda: None)
    yield runner
    await runner.close()


async def eventually(holds: Callable[[], bool], *, deadline_s: float = 60) -> None:
    """Wait until something is so; raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 - polling with a deadline is the point
            await asyncio.sleep(0.02)


async def test_a_wanted_process_becomes_ready_with_an_endpoint(processes: Processes) -> None:
    """Ready means that its health check answered."""
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    endpoint = processes.running["m/0"].endpoint
    assert endpoint is not None
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.close()
    await writer.wait_closed()


async def test_a_killed_process_comes_back(processes: Processes) -> None:
    """It is started again, after a backoff, on a fresh port."""
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    first = processes.running["m/0"].process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    await eventually(lambda: processes.running["m/0"].state == "Waiting")

    assert "signal SIGKILL" in processes.running["m/0"].failure
    await eventually(lambda: processes.running["m/0"].state == "Ready")
    assert processes.running["m/0"].process is not first


async def test_a_process_that_dies_at_start_says_its_last_words(processes: Processes) -> None:
    """The failure holds the exit code and what the process printed last."""
    argv = (sys.executable, "-c", "import sys; sys.exit('no model file')")
    processes.apply({"m/0": Wanted(argv=argv)})
    await eventually(lambda: bool(processes.running["m/0"].failure))

    assert processes.running["m/0"].failure == "ended with exit code 1: no model file"


async def test_a_failure_shows_the_last_lines_of_this_run(processes: Processes) -> None:
    """Three lines as one printable line, without colors; the file keeps every run."""
    script = (
        "import sys; print('one\\ntwo'); print('\\x1b[31mred\\x1b[0m\\a\\n\\n'); sys.exit('last')"
    )
    processes.apply({"m/0": Wanted(argv=(sys.executable, "-c", script))})
    run = processes.running["m/0"]
    await eventually(lambda: run.failures >= 2)

    assert run.failure == "ended with exit code 1: two | red | last"
    assert run.output.path.read_text().count("last") >= 2


async def test_what_dies_right_after_it_was_ready_backs_off_too(processes: Processes) -> None:
    """Its failures go on being counted: else it would be started twice a second for ever."""
    script = (
        "import http.server, os, threading\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self):\n"
        "    self.send_response(200); self.end_headers(); self.wfile.flush()\n"
        "    threading.Timer(0.1, lambda: os._exit(3)).start()\n"
        "http.server.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n"
    )
    processes.apply({"m/0": Wanted(argv=(sys.executable, "-c", script))})
    run = processes.running["m/0"]
    for failures in (1, 2, 3):
        await eventually(lambda: run.state == "Ready")
        await eventually(lambda wanted=failures: run.failures == wanted)  # type: ignore[misc]
        assert "exit code 3" in run.failure


def test_the_back_off_doubles_within_bounds() -> None:
    """From half a second to ten."""
    waits = [back_off_s(failures) for failures in range(1, 200)]

    assert waits[:5] == [0.5, 1, 2, 4, 8]
    assert set(waits[5:]) == {10.0}


async def test_a_server_that_never_listens_is_told(tmp_path: Path) -> None:
    """It is no failure, since large models load for minutes; it is not silent either."""
    changes: list[None] = []
    runner = Processes(tmp_path, lambda: changes.append(None), slow_s=0.2)
    try:
        script = "echo loading; exec sleep 600"
        runner.apply({"m/0": Wanted(argv=("sh", "-c", script))})
        run = runner.running["m/0"]
        await eventually(lambda: run.slow and run.output.last_words() == "loading")

        assert (run.state, run.failure, len(changes)) == ("Starting", "", 1)
    finally:
        await runner.close()


async def test_a_flood_of_output_fills_no_disk(processes: Processes) -> None:
    """`yes` prints gigabytes a second; it is slowed down, and the files are turned over."""
    processes.apply({"m/0": Wanted(argv=("yes", "flood " * 1000))})
    run = processes.running["m/0"]
    old = run.output.path.with_name(f"{run.output.path.name}.1")
    await eventually(old.exists, deadline_s=60)
    sizes = [file.stat().st_size for file in (old, run.output.path) if file.exists()]

    assert max(sizes) <= MAX_FILE_BYTES
    assert "flood" in run.output.last_words()
    await processes.close()
    assert processes.running == {}


async def test_words_while_it_is_ended_are_read(processes: Processes) -> None:
    """Else a server that reports its end would die of a closed pipe instead."""
    script = "trap 'echo goodbye; exit 0' TERM; echo here; while :; do sleep 0.05; done"
    processes.apply({"m/0": Wanted(argv=("sh", "-c", script))})
    run = processes.running["m/0"]
    await eventually(lambda: run.output.last_words() == "here")
    process = run.process
    await processes.close()

    assert process is not None
    assert process.returncode == 0
    assert run.output.path.read_text().endswith("goodbye\n")


async def test_a_missing_program_is_a_failure_not_a_crash(processes: Processes) -> None:
    """The runner goes on; the failure names the program."""
    processes.apply({"m/0": Wanted(argv=("no-such-program-anywhere",))})
    await eventually(lambda: bool(processes.running["m/0"].failure))

    assert "no-such-program-anywhere" in processes.running["m/0"].failure


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(argv=(sys.executable, "a\0b")),
        Wanted(argv=(sys.executable,), env=(("a=b", "c"),)),
        Wanted(argv=(sys.executable,), env=(("a", "\0"),)),
    ],
)
async def test_what_no_process_can_be_given_is_a_failure(
    processes: Processes, wanted: Wanted
) -> None:
    """It is told, and stopping it later goes well."""
    processes.apply({"m/0": wanted})
    await eventually(lambda: bool(processes.running["m/0"].failure))
    await processes.close()

    assert processes.running == {}


async def test_an_unchanged_process_is_left_alone(processes: Processes) -> None:
    """Applying the same again restarts nothing; what is no longer wanted ends."""
    wanted = {"m/0": Wanted(argv=SIMULATOR), "m/1": Wanted(argv=SIMULATOR)}
    processes.apply(wanted)
    await eventually(lambda: all(r.state == "Ready" for r in processes.running.values()))
    kept, ended = processes.running["m/0"].process, processes.running["m/1"].process
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})

    assert processes.running["m/0"].process is kept
    assert ended is not None
    await eventually(lambda: ended.returncode is not None)


async def test_what_a_process_started_itself_ends_with_it(
    processes: Processes, tmp_path: Path
) -> None:
    """A shell around a server must not leave the server behind, on its port."""
    told = tmp_path / "child"
    script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait"
    processes.apply({"m/0": Wanted(argv=("sh", "-c", script))})
    await eventually(told.exists)
    stat = Path(f"/proc/{told.read_text().strip()}/stat")
    await processes.close()

    await eventually(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


async def test_a_fixed_port_that_a_stranger_has_is_no_ready_server(processes: Processes) -> None:
    """Requests would go to whoever listens there."""
    stranger = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    sleeper = ("sh", "-c", "exec sleep 600")
    async with stranger:
        processes.apply({"m/0": Wanted(argv=sleeper, port=port, health=None)})
        await eventually(lambda: processes.running["m/0"].state != "Starting")

        assert processes.running["m/0"].state == "Waiting"
        assert f"port {port} is in use" in processes.running["m/0"].failure


async def test_two_processes_never_share_a_fixed_port(processes: Processes) -> None:
    """Two Custom engines with the default port: the second says whose it is."""
    port = free_port()
    server = (
        sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
        "--port", str(port),
    )  # fmt: skip
    wanted = {key: Wanted(argv=server, port=port, health=None) for key in ("a/0", "b/0")}
    processes.apply(wanted)
    await eventually(lambda: processes.running["a/0"].state == "Ready")
    await eventually(lambda: bool(processes.running["b/0"].failure))
    assert f"port {port} belongs to a/0" in processes.running["b/0"].failure
    processes.apply({"b/0": wanted["b/0"]})

    await eventually(lambda: processes.running["b/0"].state == "Ready")


async def test_who_is_busy_is_not_asked_to_end(tmp_path: Path) -> None:
    """It is wanted no more, and answers whom it still holds; then it ends."""
    held = {"m": 1}
    runner = Processes(tmp_path, lambda: None, busy=lambda _: held["m"])
    try:
        runner.apply({"m/0": Wanted(argv=SIMULATOR)})
        run = runner.running["m/0"]
        await eventually(lambda: run.state == "Ready")
        process = run.process
        assert process is not None
        runner.apply({})
        assert runner.running == {}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 5 * POLL_S)
        held["m"] = 0
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        await runner.close()


async def test_the_end_waits_for_nobody_who_is_busy(tmp_path: Path) -> None:
    """By then requests have been finished or cut."""
    runner = Processes(tmp_path, lambda: None, busy=lambda _: 1)
    runner.apply({"m/0": Wanted(argv=SIMULATOR)})
    run = runner.running["m/0"]
    await eventually(lambda: run.state == "Ready")
    process = run.process
    runner.apply({})
    async with asyncio.timeout(60):
        await runner.close()

    assert process is not None
    assert process.returncode == 0


async def test_what_changed_answers_until_its_successor_does(processes: Processes) -> None:
    """Then it is let go, with the next `apply`."""
    slow = Wanted(argv=(*SIMULATOR, "--load-time=1s"))
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    old = processes.running["m/0"]
    await eventually(lambda: old.state == "Ready")
    first = old.process
    processes.apply({"m/0": slow})
    new = processes.running["m/0"]
    processes.apply({"m/0": slow})

    assert (new.state, new.serving) == ("Starting", old.endpoint)
    await eventually(lambda: new.state == "Ready")
    assert new.serving == new.endpoint != old.endpoint
    assert first is not None
    assert first.returncode is None
    processes.apply({"m/0": slow})
    await eventually(lambda: first.returncode is not None)


async def test_what_cannot_start_gets_the_place_for_itself(processes: Processes) -> None:
    """The one before it may have what there is once, such as a GPU."""
    broken = {"m/0": Wanted(argv=("sh", "-c", "echo out of memory; exit 1"))}
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    old = processes.running["m/0"]
    await eventually(lambda: old.state == "Ready")
    first = old.process
    processes.apply(broken)
    await eventually(lambda: bool(processes.running["m/0"].failures))
    processes.apply(broken)

    assert processes.running["m/0"].serving is None
    assert first is not None
    await eventually(lambda: first.returncode is not None)


@pytest.mark.parametrize(
    "argv", [(*SIMULATOR, "--no-such-flag"), ("/no/such/program",), ("sh", "-c", "no-such-one")]
)
async def test_a_mistyped_command_takes_nothing_away(
    processes: Processes, argv: tuple[str, ...]
) -> None:
    """No room would help it: what ran before answers until the command is mended."""
    broken, mended = {"m/0": Wanted(argv=argv)}, {"m/0": Wanted(argv=(*SIMULATOR, "--ttft=1ms"))}
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    old = processes.running["m/0"]
    await eventually(lambda: old.state == "Ready")
    first = old.process
    processes.apply(broken)
    for failures in (1, 2):
        await eventually(lambda: processes.running["m/0"].failures >= failures)  # noqa: B023
        processes.apply(broken)
        assert processes.running["m/0"].serving == old.endpoint
        assert "; what ran before the edit answers on" in state_of_processes(
            list(processes.running.values())
        )
    processes.apply(mended)
    new = processes.running["m/0"]
    assert new.serving == old.endpoint
    await eventually(lambda: new.state == "Ready")
    processes.apply(mended)

    assert first is not None
    await eventually(lambda: first.returncode is not None)


async def test_a_second_change_leaves_the_one_that_answers(processes: Processes) -> None:
    """The one in between has never answered, and goes at once."""
    never = Wanted(argv=("sh", "-c", "exec sleep 600"))
    processes.apply({"m/0": Wanted(argv=SIMULATOR)})
    old = processes.running["m/0"]
    await eventually(lambda: old.state == "Ready")
    processes.apply({"m/0": never})
    between = processes.running["m/0"]
    await eventually(lambda: between.process is not None)
    sleeper = between.process
    processes.apply({"m/0": Wanted(argv=(*SIMULATOR, "--ttft=1ms"))})

    assert processes.running["m/0"].serving == old.endpoint
    assert sleeper is not None
    await eventually(lambda: sleeper.returncode is not None)
    assert processes.running["m/0"].failure == ""


async def test_a_fixed_port_goes_from_one_to_the_next(tmp_path: Path) -> None:
    """The old one ends first, busy or not; its successor waits, and says of no stranger."""
    port = free_port()
    server = Wanted(argv=(*SIMULATOR[:-1], str(port)), port=port, health=None)
    runner = Processes(tmp_path, lambda: None, busy=lambda _: 1)
    try:
        runner.apply({"m/0": server})
        await eventually(lambda: runner.running["m/0"].state == "Ready")
        first = runner.running["m/0"].process
        runner.apply({"m/0": Wanted(argv=(*server.argv, "--ttft=1ms"), port=port, health=None)})
        assert runner.running["m/0"].serving is None
        await eventually(lambda: runner.running["m/0"].state == "Ready")

        assert first is not None
        assert first.returncode is not None
        assert (runner.running["m/0"].failures, runner.running["m/0"].port) == (0, port)
    finally:
        await runner.close()
