"""The pages, in the order of the navigation; `/console/` leads to the first."""

from typing import Final

from pointsman.ledger.console.page import Page
from pointsman.ledger.console.pages import (
    audit,
    cost,
    decisions,
    drift,
    flow,
    quality,
    reviews,
    rollouts,
)

PAGES: Final[tuple[Page, ...]] = (
    flow.PAGE,
    reviews.PAGE,
    rollouts.PAGE,
    cost.PAGE,
    quality.PAGE,
    drift.PAGE,
    decisions.PAGE,
    audit.PAGE,
)
