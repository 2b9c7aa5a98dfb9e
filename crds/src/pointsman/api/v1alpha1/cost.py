"""What a model costs: prices of a million tokens, or of an hour of a replica, and their changes."""

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
    """Prices as decimal strings: of a million tokens, or of an hour of a replica."""

    input_per_million: Price | None = Field(
        default=None, description="Price of a million prompt tokens, as '0.15'."
    )
    output_per_million: Price | None = Field(
        default=None, description="Price of a million answer tokens, as '0.60'."
    )
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
    replica_hour: Price | None = Field(
        default=None,
        description="Price of one replica of a deployment for an hour, as '2.50': of its machine, "
        "from when its pod has a node until it is gone, starting and idle too. In place of prices "
        "of tokens; its requests cost nothing by themselves.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.replicaHour) ? !has(self.inputPerMillion) && !has(self.outputPerMillion) && "
            "!has(self.cachedInputPerMillion) && !has(self.reasoningPerMillion) : "
            "has(self.inputPerMillion) && has(self.outputPerMillion)",
            "prices are inputPerMillion and outputPerMillion, or replicaHour, not both: nothing is "
            "paid twice",
            lambda p: p.is_whole,
        ),
    )

    @property
    def is_whole(self) -> bool:
        """Whether it is priced in one of the two ways."""
        tokens = (self.input_per_million, self.output_per_million)
        parts = (self.cached_input_per_million, self.reasoning_per_million)
        if self.replica_hour is None:
            return None not in tokens
        return (*tokens, *parts) == (None,) * 4


class PriceChange(Prices):
    """Prices from one moment on."""

    valid_from: Moment = Field(
        description="When these prices begin, in UTC, as 2026-12-01T00:00:00Z; until the next "
        "change. What a request costs is told by when it came in."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        *Prices.rules,
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
        *Prices.rules,
        Rule(
            "!has(self.changes) || self.changes.all(c, has(c.replicaHour) == "
            "has(self.replicaHour))",
            "changes are of the same prices: of tokens, or of replicaHour",
            lambda c: all(
                (change.replica_hour is None) == (c.replica_hour is None) for change in c.changes
            ),
            field=".changes",
        ),
        Rule(
            "!has(self.changes) || self.changes.all(a, self.changes.exists_one(b, "
            "a.validFrom == b.validFrom))",
            "two changes have the same validFrom",
            lambda c: len({change.valid_from for change in c.changes}) == len(c.changes),
            field=".changes",
        ),
    )
