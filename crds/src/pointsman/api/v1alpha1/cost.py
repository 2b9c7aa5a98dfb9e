"""What a model costs: prices of a million tokens, and how they change."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.validation import ApiModel, Price, Rule

MOMENT_PATTERN = r"^20[2-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
Moment = Annotated[str, Field(pattern=MOMENT_PATTERN, max_length=20)]
"""No `format: date-time`: the API server would refuse with its own words, and check no rule."""


def is_moment(text: str) -> bool:
    """True for a day and a time that there are."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class Prices(ApiModel):
    """Prices of a million tokens, as decimal strings."""

    input_per_million: Price = Field(description="Price of a million prompt tokens, as '0.15'.")
    output_per_million: Price = Field(description="Price of a million answer tokens, as '0.60'.")
    cached_input_per_million: Price | None = Field(
        default=None,
        description="Price of a million prompt tokens that the server had read before, as it "
        "states them (prompt_tokens_details.cached_tokens). Default: inputPerMillion.",
    )
    reasoning_per_million: Price | None = Field(
        default=None,
        description="Price of a million tokens that the model thought and did not answer, as it "
        "states them (completion_tokens_details.reasoning_tokens). Default: outputPerMillion.",
    )


class PriceChange(Prices):
    """Prices from one moment on."""

    valid_from: Moment = Field(
        description="When these prices begin, in UTC, as 2026-12-01T00:00:00Z; until the next "
        "change. What a request costs is told by when it came in."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "timestamp(self.validFrom) >= timestamp('2020-01-01T00:00:00Z')",
            "validFrom is no moment that there is",
            lambda c: is_moment(c.valid_from),
            field=".validFrom",
            reason=Reason.INVALID,
        ),
    )


class Cost(Prices):
    """What the model costs."""

    currency: str = Field(
        default="USD",
        pattern=r"^[A-Z]{3}$",
        max_length=3,
        description="ISO 4217 code of the currency.",
    )
    changes: list[PriceChange] = Field(
        default=[],
        max_length=16,
        description="Later prices, in any order. Prices that are over may stay: they do no harm.",
    )

    stored_defaults: ClassVar[frozenset[str]] = frozenset({"currency"})
    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "changes": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["validFrom"],
        },
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.changes) || self.changes.all(a, self.changes.exists_one(b, "
            "a.validFrom == b.validFrom))",
            "two changes have the same validFrom",
            lambda c: len({change.valid_from for change in c.changes}) == len(c.changes),
            field=".changes",
        ),
    )
