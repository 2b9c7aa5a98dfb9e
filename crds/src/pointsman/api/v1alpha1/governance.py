"""What is known of a model and who approved it, and what a policy asks of models.

What is not stated counts as not so: a policy that asks for something leaves out whoever does not
say it. The API server knows no time: an approval that is over is told by a condition, and no router
uses it.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.dataclass import DataClass
from pointsman.api.redaction import (
    MAX_PATTERN_CHARS,
    MAX_PATTERNS,
    MAX_SEARCHED_PROGRAM,
    Known,
    are_searchable,
)
from pointsman.api.v1alpha1.capture import Redact
from pointsman.api.v1alpha1.cost import Moment, is_moment
from pointsman.api.validation import ApiModel, Duration, Rule

Word = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]*$", min_length=1, max_length=64)
]
"""A license, a region or a certification."""
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]


def _no_value_twice(name: str) -> Rule:
    def holds(part: ApiModel) -> bool:
        values = getattr(part, name)
        return len(set(values)) == len(values)

    cel = f"!has(self.{name}) || self.{name}.all(a, self.{name}.exists_one(b, a == b))"
    return Rule(cel, f"{name} holds a value twice", holds, field=f".{name}")


class Provenance(ApiModel):
    """Where the weights come from."""

    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        description="Where the model was taken from, such as hf://Qwen/Qwen3-8B, with its version.",
    )
    digest: Digest | None = Field(
        default=None,
        description="Digest of the weights or of the image that holds them, as sha256: and 64 "
        "hexadecimal digits.",
    )


class DataHandling(ApiModel):
    """What whoever runs the model does with prompts and answers."""

    retention: Duration | None = Field(
        default=None,
        description="How long prompts and answers are kept there, as 720h; 0s: not at all. Not "
        "set: nobody knows.",
    )
    training_use: bool | None = Field(
        default=None,
        description="Whether models may be trained on them. Not set: nobody knows.",
    )
    regions: list[Word] = Field(
        default=[], max_length=16, description="Where requests may be worked on, such as eu-west-1."
    )
    certifications: list[Word] = Field(
        default=[], max_length=16, description="What it is certified for, such as SOC2."
    )
    max_data_class: DataClass | None = Field(
        default=None,
        description="The strictest class of data that it may be sent: Public, Internal, "
        "Confidential, Restricted. Not set: Public.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "regions": {"x-kubernetes-list-type": "set"},
        "certifications": {"x-kubernetes-list-type": "set"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        _no_value_twice("regions"),
        _no_value_twice("certifications"),
    )


class Approval(ApiModel):
    """Who let this model be used, on what grounds, and for how long."""

    by: str = Field(
        min_length=1, max_length=253, description="Who approved it: a person, not a team."
    )
    evidence: str = Field(
        min_length=1,
        max_length=512,
        description="What it was approved on: the address of a report, or its digest as `pointsman "
        "vet` prints it.",
    )
    model_digest: Digest | None = Field(
        default=None,
        description="The provenance.digest that was approved. Only an external backend without a "
        "digest has none.",
    )
    approved_at: Moment = Field(
        description="From when it holds, in UTC, as 2026-12-01T00:00:00Z; not before."
    )
    expires_at: Moment = Field(
        description="When it ends, in UTC. From that second on no request goes there under a "
        "policy that requires approval."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "timestamp(self.approvedAt) >= timestamp('2020-01-01T00:00:00Z')",
            "approvedAt is no moment that there is",
            lambda a: is_moment(a.approved_at),
            field=".approvedAt",
        ),
        Rule(
            "timestamp(self.expiresAt) >= timestamp('2020-01-01T00:00:00Z')",
            "expiresAt is no moment that there is",
            lambda a: is_moment(a.expires_at),
            field=".expiresAt",
        ),
        Rule(
            "self.approvedAt < self.expiresAt",
            "expiresAt must be later than approvedAt",
            lambda a: a.approved_at < a.expires_at,
            field=".expiresAt",
            reason=Reason.INVALID_RANGE,
        ),
    )

    @property
    def from_s(self) -> float:
        """Unix time."""
        return datetime.fromisoformat(self.approved_at).timestamp()

    @property
    def until_s(self) -> float:
        """Unix time."""
        return datetime.fromisoformat(self.expires_at).timestamp()


class Governance(ApiModel):
    """What is known of a model, and its approval."""

    license: Word | None = Field(
        default=None, description="License of the model, by its SPDX identifier: Apache-2.0."
    )
    provenance: Provenance | None = Field(
        default=None, description="Where the weights come from, and which they are."
    )
    data_handling: DataHandling | None = Field(
        default=None, description="What whoever runs the model does with prompts and answers."
    )
    approval: Approval | None = Field(
        default=None,
        description="Who approved the model, and until when; without it the model is not approved. "
        "The chart can let only members of a named group set or change it.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.approval) || (has(self.approval.modelDigest) ? (has(self.provenance) && "
            "has(self.provenance.digest) && self.approval.modelDigest == self.provenance.digest) "
            ": (!has(self.provenance) || !has(self.provenance.digest)))",
            "approval.modelDigest is not provenance.digest: another model was approved",
            lambda g: (
                g.approval is None
                or g.approval.model_digest == (g.provenance.digest if g.provenance else None)
            ),
            field=".approval",
        ),
    )


class Requirements(ApiModel):
    """What a backend must state to get requests of the policy."""

    approved: bool | None = Field(
        default=None,
        description="true: it has an approval that holds. Not set: it needs none.",
    )
    licenses: list[Word] = Field(
        default=[], max_length=16, description="Its license is one of these. Empty: any."
    )
    regions: list[Word] = Field(
        default=[],
        max_length=16,
        description="All its regions are among these, and it states some. Empty: any.",
    )
    certifications: list[Word] = Field(
        default=[], max_length=16, description="It has all of these."
    )
    no_training: bool | None = Field(
        default=None, description="true: it states trainingUse: false."
    )
    max_retention: Duration | None = Field(
        default=None, description="It states a retention, and none longer than this."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "licenses": {"x-kubernetes-list-type": "set"},
        "regions": {"x-kubernetes-list-type": "set"},
        "certifications": {"x-kubernetes-list-type": "set"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        _no_value_twice("licenses"),
        _no_value_twice("regions"),
        _no_value_twice("certifications"),
    )


class Detection(ApiModel):
    """Texts whose class is told by what is found in them."""

    built_in: list[Known] = Field(
        default=[],
        max_length=4,
        description="What is looked for: ApiKey, BearerToken, Email, CreditCard.",
    )
    patterns: list[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)]] = Field(
        default=[],
        max_length=MAX_PATTERNS,
        description=f"Further patterns in RE2's syntax. More than {MAX_SEARCHED_PROGRAM} "
        "instructions of all together are refused by the operator; a usual one has 20 to 60.",
    )
    data_class: DataClass = Field(
        description="The class of a request in which one of them is found, at least. One of more "
        "than 65,536 characters is not searched and has this class, as has one with tokens, files "
        "or sound."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "built_in": {"x-kubernetes-list-type": "set"},
        "patterns": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.builtIn) && self.builtIn.size() > 0) || "
            "(has(self.patterns) && self.patterns.size() > 0)",
            "detect looks for nothing: set builtIn or patterns",
            lambda d: bool(d.built_in or d.patterns),
        ),
        Rule(
            "!has(self.builtIn) || self.builtIn.all(a, self.builtIn.exists_one(b, a == b))",
            "builtIn holds a value twice",
            lambda d: len(set(d.built_in)) == len(d.built_in),
            field=".builtIn",
        ),
        Rule(  # CEL cannot count instructions
            Redact.rules[0].cel,
            f"{Redact.rules[0].message}, or they are over {MAX_SEARCHED_PROGRAM} instructions "
            "together",
            lambda d: are_searchable(d.patterns),
            field=".patterns",
        ),
    )


class PolicyGovernance(ApiModel):
    """Which backends a policy may use, and how its requests' class of data is told."""

    require: Requirements | None = Field(
        default=None,
        description="What backends must state. One that does not is left out of the policy "
        "wherever it is named: as target, fallback, candidate of the predictor or of a rollout.",
    )
    data_class: DataClass | None = Field(
        default=None,
        description="The class that every request of the policy has at least. A backend whose "
        "maxDataClass is lower is left out.",
    )
    detect: Detection | None = Field(
        default=None, description="Raises the class of a request by what is found in its text."
    )
