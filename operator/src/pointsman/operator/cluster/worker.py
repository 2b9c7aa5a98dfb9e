"""Work in a process of its own, with a deadline: numbers never hold up the operator's loop.

The process gets JSON on its standard input and answers with JSON on its output.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from pointsman.operator.errors import Waiting

_PIPE: Final = asyncio.subprocess.PIPE


async def answer(command: Sequence[str], body: bytes, *, deadline_s: float, what: str) -> bytes:
    """Raises Waiting if the process cannot start, fails or takes too long; it is ended then."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE
        )
    except OSError as error:  # no memory, or no further process, for now
        raise Waiting(f"{what} cannot be started: {error}") from error
    try:
        async with asyncio.timeout(deadline_s):
            out, err = await process.communicate(body)
    except TimeoutError:
        raise Waiting(f"{what} took longer than {deadline_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Waiting(f"{what} ended with {process.returncode}: {last[:300]}")
    return out
