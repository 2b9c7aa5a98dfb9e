"""A fit in a process of its own.

The process gets a Job on its standard input and answers with what was Fitted on its output.
"""

import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.operator.cluster.worker import answer
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import Fitted, Job

DEADLINE_S: Final = 120.0
"""A fit of 20,000 labels takes seconds; a machine may be busy."""
FITTER: Final = (sys.executable, "-m", "pointsman.operator.fitter")
_fitted = msgspec.json.Decoder(Fitted)


async def fit(
    job: Job, *, fitter: Sequence[str] = FITTER, deadline_s: float = DEADLINE_S
) -> Fitted:
    """Raises Waiting if the process fails or takes too long; it is ended then."""
    body = msgspec.json.encode(job)
    out = await answer(fitter, body, deadline_s=deadline_s, what="the fit")
    try:
        return _fitted.decode(out)
    except msgspec.DecodeError as error:
        raise Waiting(f"the fit's answer is none: {error}") from error
