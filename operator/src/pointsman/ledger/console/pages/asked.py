"""What several pages are asked for in the same words."""

from collections.abc import Mapping

from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.console.questions import PERIODS


def period_of(query: Mapping[str, str], usual: str) -> str:
    """One of PERIODS. Raises BadQuestion."""
    period = query.get("period", usual)
    if period not in PERIODS:
        raise BadQuestion(f"period is one of {', '.join(PERIODS)}")
    return period
