"""How much the requests of a policy may use in an hour, a day, a week or a month."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.validation import ApiModel, Rule

Money = Annotated[str, Field(pattern=r"^[0-9]{1,7}(\.[0-9]{1,6})?$", max_length=14)]


class BudgetScope(StrEnum):
    """Who has a budget of its own."""

    POLICY = "Policy"
    RULE = "Rule"
    CALLER = "Caller"
    TEAM = "Team"


class BudgetWindow(StrEnum):
    """The calendar's, in UTC."""

    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class BudgetMode(StrEnum):
    """What becomes of a request that has too little left."""

    SHADOW = "Shadow"
    ENFORCE = "Enforce"


class Budget(ApiModel):
    """How much may be used in each window of the calendar, in tokens or in money."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the budget; callers see it when it is used up.",
    )
    scope: BudgetScope = Field(
        default=BudgetScope.POLICY,
        description="Policy: all requests share it. Rule, Caller, Team: each rule (default among "
        "them), caller or team of callers has one of this size.",
    )
    window: BudgetWindow = Field(
        description="Hour, Day, Week (from Monday on) or Month, in UTC. A request counts where it "
        "began."
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000_000,
        description="Tokens of prompts and answers.",
        json_schema_extra={"format": "int64"},
    )
    amount: Money | None = Field(
        default=None,
        description="Money, by the prices of the backends, as '250.00'. Requests to backends with "
        "another currency are not counted.",
    )
    currency: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        max_length=3,
        description="ISO 4217 code of the currency of amount. Default: USD.",
    )
    mode: BudgetMode = Field(
        default=BudgetMode.ENFORCE,
        description="Enforce: a request that may take more than is left is refused with 429 "
        "(budget_exceeded). Shadow: it is only counted.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.tokens) != has(self.amount)",
            "a budget is in tokens or has an amount: exactly one of them must be set",
            lambda b: (b.tokens is None) != (b.amount is None),
        ),
        Rule(
            "!has(self.currency) || has(self.amount)",
            "currency belongs to amount",
            lambda b: b.currency is None or b.amount is not None,
            field=".currency",
        ),
        Rule(
            "!has(self.amount) || double(self.amount) > 0.0",
            "amount must be more than nothing",
            lambda b: b.amount is None or Decimal(b.amount) > 0,
            field=".amount",
            reason=Reason.INVALID_RANGE,
        ),
    )
