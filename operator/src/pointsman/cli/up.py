"""`pointsman up PATH`: serve until Ctrl-C or SIGTERM, then finish what runs; a second one cuts it.

Exit status: 0 after an end that was asked for once, 128 and the signal's number after a second one
(130 for Ctrl-C), 1 when it cannot start.
"""

import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from pointsman.cli.unheard import say
from pointsman.local.saying import ready_line
from pointsman.local.session import Refused, Session
from pointsman.local.tracing import collector
from pointsman.router.settings_otlp import Otlp

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP: a terminal that closes."""


def run(main: Coroutine[None, None, int]) -> int:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def stop_event() -> asyncio.Event:
    """Set by the first signal that asks for the end."""
    stop = asyncio.Event()
    _at_signals(lambda _: stop.set())
    return stop


def _at_signals(do: Callable[[int], None]) -> None:
    for number in _ENDING:
        # Started with nohup it outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, do, number)


async def _serve(
    paths: Sequence[Path],
    host: str,
    port: int,
    *,
    time_scale: float,
    chosen_open: bool,
    ledger: Path,
    otlp: Otlp | None,
) -> int:
    stop = stop_event()
    session = Session(
        paths, time_scale=time_scale, say=say, chosen_open=chosen_open, ledger=ledger, otlp=otlp
    )
    async with session.serve(host, port) as bound:
        models = sorted(
            {name for entry in _entries(session) for name in entry} or {"no model names yet"}
        )
        shown = f"[{host}]" if ":" in host else host
        say(f"listening on http://{shown}:{bound}/v1 for {', '.join(models)}")
        ready = asyncio.create_task(_say_ready(session))
        await stop.wait()
        ready.cancel()
        hurried = _hurry_when_asked_again(session)
        say("stopping: finishing what runs; once more ends it at once")
    return 128 + hurried[0] if hurried else 0


def _hurry_when_asked_again(session: Session) -> list[int]:
    """The signals that came after the first, as they come."""
    hurried: list[int] = []

    def hurry(number: int) -> None:
        hurried.append(number)
        session.hurry()

    _at_signals(hurry)
    return hurried


async def _say_ready(session: Session) -> None:
    await session.ready()
    say(ready_line(session.desired) if session.desired else "ready")


def _entries(session: Session) -> list[tuple[str, ...]]:
    return [e.model_names for e in session.desired.table.entries] if session.desired else []


def up(
    paths: Sequence[Path],
    *,
    host: str,
    port: int,
    time_scale: float,
    chosen_open: bool = False,
    ledger: Path | None = None,
    otlp_endpoint: str | None = None,
) -> int:
    """
    1 with one clear line a problem if it cannot start; 2 for a collector that cannot be one.

    `ledger`: file that keeps what happened; None: it is forgotten at the end. `otlp_endpoint`: URL
    of a collector that gets traces and metrics of all requests.
    """
    try:
        otlp = collector(otlp_endpoint)
    except ValueError as error:
        print(f"pointsman up: {error}", file=sys.stderr)
        return 2
    # What there is to tell is said line by line; the parts' own warnings repeat it in their words.
    logging.getLogger("pointsman").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="pointsman-ledger-") as folder:
            return run(
                _serve(
                    paths, host, port, time_scale=time_scale, chosen_open=chosen_open,
                    ledger=(ledger or Path(folder) / "ledger.db").absolute(), otlp=otlp,
                )
            )  # fmt: skip
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
