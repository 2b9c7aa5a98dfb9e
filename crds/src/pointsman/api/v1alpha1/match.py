"""What a rule may ask of a request: conditions on what the analysis found, and on what was sent.

Within a match all conditions must hold. An expression is compiled when the object is read, with the
limits that routers have, so that what is accepted can be run.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pointsman.api.conditions import Reason
from pointsman.api.expressions import MAX_CHARS, BadExpression, compile_expression
from pointsman.api.tasks import Complexity, Domain, Task
from pointsman.api.validation import ApiModel, Rule


def _compiles(source: str) -> str:
    try:
        compile_expression(source)
    except BadExpression as error:
        raise PydanticCustomError(
            "rule",
            "{message}",
            {"message": str(error), "field": "", "reason": str(Reason.INVALID_EXPRESSION)},
        ) from error
    return source


class HeaderMatch(ApiModel):
    """One request header that must be present with a value."""

    type: Literal["Exact", "Prefix"] = Field(
        default="Exact", description="How the value is compared: Exact or Prefix."
    )
    name: str = Field(
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$",
        max_length=128,
        description="Name of the header; case does not matter.",
    )
    value: str = Field(
        min_length=1, max_length=1024, description="Value to compare with, case-sensitive."
    )


class Range(ApiModel):
    """Whole numbers; both ends belong to it, and one of them is enough."""

    min: int | None
    max: int | None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min must not be larger than max",
            lambda c: c.min is None or c.max is None or c.min <= c.max,
            field=".min",
            reason=Reason.INVALID_RANGE,
        ),
        Rule(
            "has(self.min) || has(self.max)",
            "min or max must be set",
            lambda c: c.min is not None or c.max is not None,
        ),
    )


class ContextTokens(Range):
    """A range of estimated prompt tokens; both ends belong to it."""

    min: int | None = Field(default=None, ge=0, le=100_000_000, description="Smallest number.")
    max: int | None = Field(default=None, ge=0, le=100_000_000, description="Largest number.")


class Turns(Range):
    """A range of messages of the user; both ends belong to it."""

    min: int | None = Field(default=None, ge=0, le=100_000, description="Smallest number.")
    max: int | None = Field(default=None, ge=0, le=100_000, description="Largest number.")


class Match(ApiModel):
    """Conditions on a request; all that are set must hold."""

    task: list[Task] = Field(
        default=[],
        max_length=8,
        description="The analyzed task is one of these: Chat, Coding, Reasoning, Multilingual, "
        "Document, LongContext. A request whose task could not be told matches none.",
    )
    complexity: list[Complexity] = Field(
        default=[],
        max_length=3,
        description="How much is asked of the model is one of these: Simple, Moderate, Complex.",
    )
    domain: list[Domain] = Field(
        default=[],
        max_length=8,
        description="What it is about is one of these: General, Software, Mathematics, Science, "
        "Medicine, Law, Finance. General is what no field stands out in.",
    )
    language: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$", max_length=3)]] = Field(
        default=[],
        max_length=64,
        description="The language of the last user message is one of these ISO 639 codes.",
    )
    context_tokens: ContextTokens | None = Field(
        default=None, description="The estimated number of prompt tokens is in this range."
    )
    turns: Turns | None = Field(
        default=None,
        description="The number of the user's messages, the last one included, is in this range.",
    )
    tools: bool | None = Field(
        default=None, description="true: the request offers tools. false: it offers none."
    )
    images: bool | None = Field(
        default=None, description="true: a message holds an image. false: none does."
    )
    json_mode: bool | None = Field(
        default=None, description="true: the answer has to be JSON. false: it may be any text."
    )
    headers: list[HeaderMatch] = Field(
        default=[], max_length=16, description="All of these request headers are present."
    )
    metadata: dict[str, Annotated[str, Field(max_length=512)]] = Field(
        default={},
        max_length=16,
        description="All of these are in the request body's metadata, with equal values.",
    )
    expression: (
        Annotated[str, Field(min_length=1, max_length=MAX_CHARS), AfterValidator(_compiles)] | None
    ) = Field(
        default=None,
        description="This CEL expression over the analyzed request is true, such as "
        "request.task == 'Coding' && request.turns > 3. docs/rules.md lists the variables and "
        "what is allowed.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "task": {"x-kubernetes-list-type": "atomic"},
        "complexity": {"x-kubernetes-list-type": "atomic"},
        "domain": {"x-kubernetes-list-type": "atomic"},
        "language": {"x-kubernetes-list-type": "atomic"},
        "headers": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.task) && self.task.size() > 0) || "
            "(has(self.complexity) && self.complexity.size() > 0) || "
            "(has(self.domain) && self.domain.size() > 0) || "
            "(has(self.language) && self.language.size() > 0) || has(self.contextTokens) || "
            "has(self.turns) || has(self.tools) || has(self.images) || has(self.jsonMode) || "
            "(has(self.headers) && self.headers.size() > 0) || "
            "(has(self.metadata) && self.metadata.size() > 0) || has(self.expression)",
            "at least one condition must be set (what matches everything is spec.default)",
            lambda m: m.conditions > 0,
        ),
    )

    @property
    def conditions(self) -> int:
        """How many are set."""
        lists = (self.task, self.complexity, self.domain, self.language, self.headers)
        values = (self.context_tokens, self.turns, self.tools, self.images, self.json_mode)
        return (
            sum(bool(one) for one in (*lists, self.metadata))
            + sum(one is not None for one in values)
            + (self.expression is not None)
        )
