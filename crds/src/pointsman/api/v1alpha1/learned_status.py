"""What a re-evaluation has made of a policy, in its status."""

from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.validation import ApiModel

Name = Annotated[str, Field(max_length=253)]
Line = Annotated[str, Field(max_length=1024)]
Lines = Annotated[list[Line], Field(max_length=64)]


class LearnedStatus(ApiModel):
    """How the policy differs from its spec, or what came of the last try."""

    revision: Name | None = Field(
        default=None,
        description="The spec with what was learned; in force, or a candidate on its way. Absent "
        "where the spec is.",
    )
    cause: Name | None = Field(
        default=None,
        description="What made it look: Drifted, Recovered, BackendAdded, PriceChanged or "
        "Scheduled.",
    )
    time: str | None = Field(
        default=None,
        description="When it was decided.",
        json_schema_extra={"format": "date-time"},
    )
    diff: Lines | None = Field(default=None, description="What is other than in the spec.")
    reasons: Lines | None = Field(default=None, description="Why, with the figures of then.")
    message: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None,
        description="What was refused and when it is tried again; absent where nothing was.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "diff": {"x-kubernetes-list-type": "atomic"},
        "reasons": {"x-kubernetes-list-type": "atomic"},
    }
