"""`pointsman up PATH`: serve until Ctrl-C or SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

from pointsman.local.session import Refused, Session


def run(main: Coroutine[None, None, int]) -> int:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def stop_event() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _serve(paths: Sequence[Path], host: str, port: int, time_scale: float) -> int:
    stop = stop_event()
    session = Session(paths, time_scale=time_scale, say=lambda line: print(line, flush=True))
    async with session.serve(host, port) as bound:
        models = sorted(
            {name for entry in _entries(session) for name in entry} or {"no model names yet"}
        )
        print(f"listening on http://{host}:{bound}/v1 for {', '.join(models)}", flush=True)
        ready = asyncio.create_task(_say_ready(session))
        await stop.wait()
        ready.cancel()
        print("stopping: finishing what runs", flush=True)
    return 0


async def _say_ready(session: Session) -> None:
    await session.ready()
    print("ready", flush=True)


def _entries(session: Session) -> list[tuple[str, ...]]:
    return [e.model_names for e in session.desired.table.entries] if session.desired else []


def up(paths: Sequence[Path], *, host: str, port: int, time_scale: float) -> int:
    """1 with one clear line a problem if it cannot start."""
    try:
        return run(_serve(paths, host, port, time_scale))
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
