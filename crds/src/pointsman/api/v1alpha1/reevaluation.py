"""What a policy does when a backend that it names has drifted, and how far that may go."""

from typing import ClassVar, Literal

from pydantic import Field

from pointsman.api.validation import ApiModel, Duration, Rule, lasting

OnDetected = Literal["Alert", "Reevaluate", "Quarantine"]
QuarantineOn = Literal["Worse", "IdentityChanged"]


class DriftResponse(ApiModel):
    """
    Drift is found by the backends' own `spec.evaluation` and `spec.drift`.

    What is changed here changes no spec: it is a revision of the policy beside it, or a backend
    that gets no requests for a while.
    """

    on_detected: OnDetected = Field(
        default="Alert",
        description="Alert: it is told, and nothing is changed. Reevaluate: weights of targets are "
        "chosen anew, as a new revision through tests and rollout, like an edit. Quarantine: the "
        "backend gets no requests of this policy until it has recovered, at once.",
    )
    within: Literal["Rule", "Targets"] = Field(
        default="Rule",
        description="With Reevaluate, who may get what another backend loses. Rule: targets and "
        "fallbacks of the same rule. Targets: its targets only.",
    )
    max_weight_change_percent: int = Field(
        default=100,
        ge=1,
        le=100,
        description="With Reevaluate, percent of a rule's requests that may go elsewhere than "
        "the spec says.",
    )
    min_gain_points: int = Field(
        default=3,
        ge=1,
        le=100,
        description="With Reevaluate, by how many points of 100 the answers to those requests have "
        "to be better, at the careful ends of both 95 percent intervals. Less changes nothing.",
    )
    max_cost_increase_percent: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="With Reevaluate, how much dearer than the backend that loses requests the one "
        "that gets them may be, by the price of three prompt tokens and one answer token; a price "
        "that is not known is too dear. Not looked at where it is not set.",
    )
    interval: Duration = Field(
        default="1h",
        description="With Reevaluate, how often it is looked without any news. 1m to 240h.",
    )
    quarantine_on: list[QuarantineOn] = Field(
        default=["Worse"],
        min_length=1,
        max_length=2,
        description="With Quarantine, the reasons of the backend's condition Drifted that count.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "quarantine_on": {"x-kubernetes-list-type": "set"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        lasting("interval", "1m", "240h"),
        Rule(
            "!has(self.quarantineOn) || self.quarantineOn.all(a, self.quarantineOn.exists_one(b, "
            "a == b))",
            "quarantineOn holds a reason twice",
            lambda d: len(set(d.quarantine_on)) == len(d.quarantine_on),
            field=".quarantineOn",
        ),
    )
