"""What is known of one request when its route is chosen."""

from collections.abc import Mapping

import msgspec

from pointsman.analysis import Analysis


class RequestFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What rules may look at; header names are in lower case, tokens are estimated."""

    analysis: Analysis
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    max_output_tokens: int = 0
    tools: bool = False
    images: bool = False
    caller: str = ""
    team: str = ""
    answers: int = 1
    """That are generated, for a cost cap only; 0: none, as of embeddings."""
    now_s: float | None = None
    """Unix time, for a cost cap only; None: whichever price is the highest."""
