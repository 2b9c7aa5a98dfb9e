"""A request that a policy's author wrote down, and where it must go."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pointsman.api.tasks import Task
from pointsman.api.validation import ApiModel, ObjectName, Price, Rule

MAX_TEXT_CHARS = 4000
"""What the analysis reads of a message: 3,000 at its head, 1,000 at its tail."""


class PromptMessage(ApiModel):
    """One message, as in OpenAI's chat completions; its content is text."""

    role: Literal["system", "developer", "user", "assistant", "tool"] = Field(
        description="Who said it: system, developer, user, assistant or tool."
    )
    content: str = Field(max_length=MAX_TEXT_CHARS, description="What was said.")


class Expectation(ApiModel):
    """What must be so; all that are set."""

    rule: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the rule that decides; default for none.",
    )
    backend: ObjectName | None = Field(
        default=None,
        description="A backend that it may go to first: the rule's target, or one of several with "
        "a weight, if it can take the request.",
    )
    task: Task | None = Field(default=None, description="The task that the analysis tells.")
    max_cost: Price | None = Field(
        default=None,
        description="Most that it may cost at any backend that it may go to first, in that "
        "backend's currency: the estimated prompt and maxOutputTokens, at the highest of its "
        "prices, those to come included.",
    )

    review: Literal["None", "Flag", "Escalate", "Hold"] | None = Field(
        default=None,
        description="How a person looks at it: None, Flag, Escalate or Hold. With Escalate, "
        "backend is one of humanReview.escalateTo.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.rule) || has(self.backend) || has(self.task) || has(self.maxCost) || "
            "has(self.review)",
            "at least one of rule, backend, task, maxCost and review must be set",
            lambda e: any(x is not None for x in (e.rule, e.backend, e.task, e.max_cost, e.review)),
        ),
    )


class PolicyTest(ApiModel):
    """One request, and where it must go."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the test; it stands in messages.",
    )
    prompt: str | None = Field(
        default=None,
        max_length=MAX_TEXT_CHARS,
        description="The one message of the user. Or messages.",
    )
    messages: list[PromptMessage] = Field(
        default=[], max_length=16, description="The conversation, in place of prompt."
    )
    headers: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default={}, max_length=16, description="Request headers; the case of names is no matter."
    )
    metadata: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default={}, max_length=16, description="The body's metadata."
    )
    tools: bool = Field(default=False, description="The request offers tools.")
    images: bool = Field(default=False, description="A message holds an image.")
    json_mode: bool = Field(default=False, description="The answer has to be JSON.")
    history_chars: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Characters of earlier messages that are not written out, to test what is "
        "long; four are about one token.",
    )
    max_output_tokens: int = Field(
        default=0, ge=0, le=100_000_000, description="What the request allows for the answer."
    )
    caller: str = Field(
        default="", max_length=63, description="Name of the caller, for expressions."
    )
    team: str = Field(default="", max_length=63, description="Team of the caller, for expressions.")
    expect: Expectation = Field(description="What must be so; all that are set.")

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "messages": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.prompt) != (has(self.messages) && self.messages.size() > 0)",
            "exactly one of prompt and messages must be set",
            lambda t: (t.prompt is not None) != bool(t.messages),
            field=".prompt",
        ),
        Rule(
            "!has(self.expect.maxCost) || (has(self.maxOutputTokens) && self.maxOutputTokens > 0)",
            "maxCost needs maxOutputTokens: what an answer costs is not known before",
            lambda t: t.expect.max_cost is None or t.max_output_tokens > 0,
            field=".maxOutputTokens",
        ),
    )
