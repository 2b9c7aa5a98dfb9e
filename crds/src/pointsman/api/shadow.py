"""What routers are told of a rollout that is in its shadow; a part of the RoutingTable."""

import msgspec


class Shadow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which of the stable revision's requests a candidate answers as well, unseen by callers."""

    percent: int
    """Of the conversations."""
    max_spend_nano: int
    """
    All routers together, in billionths of `currency`; each has an equal share.

    0: nothing that costs is sent, or nothing more.
    """
    currency: str = "USD"
    began_ms: int = 0
    """When the rollout began, Unix time: what is spent counts from there."""
