"""A fit in a process of its own, with a deadline: numbers never hold up the operator's loop.

The process gets a Job on its standard input and answers with what was Fitted on its output.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import Fitted, Job

DEADLINE_S: Final = 120.0
"""A fit of 20,000 labels takes seconds; a machine may be busy."""
FITTER: Final = (sys.executable, "-m", "pointsman.operator.fitter")
_PIPE: Final = asyncio.subprocess.PIPE
_fitted = msgspec.json.Decoder(Fitted)


async def fit(
    job: Job, *, fitter: Sequence[str] = FITTER, deadline_s: float = DEADLINE_S
) -> Fitted:
    """Raises Waiting if the process fails or takes too long; it is ended then."""
    process = await asyncio.create_subprocess_exec(*fitter, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE)
    try:
        async with asyncio.timeout(deadline_s):
            out, err = await process.communicate(msgspec.json.encode(job))
    except TimeoutError:
        raise Waiting(f"the fit took longer than {deadline_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Waiting(f"the fit ended with {process.returncode}: {last[:300]}")
    try:
        return _fitted.decode(out)
    except msgspec.DecodeError as error:
        raise Waiting(f"the fit's answer is none: {error}") from error
