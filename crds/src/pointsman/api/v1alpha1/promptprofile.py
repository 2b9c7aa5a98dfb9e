"""`spec.promptProfile` of a ModelBackend: what its requests are changed by before they are sent."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from pointsman.api.validation import ApiModel, Rule

NUMBER: Final = r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$"
Number = Annotated[str, Field(pattern=NUMBER, max_length=17)]
MemberName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]

RESERVED: Final = (
    "model", "messages", "prompt", "input", "stream", "tools", "functions", "stop",
    "chat_template_kwargs", "thinking", "enable_thinking",
)  # fmt: skip
"""What routing reads, or another field of a profile is for."""
COUNTS: Final = ("n", "best_of")
"""How many answers: a budget reserves what the caller asked for."""
STANDARD: Final = (
    "temperature", "top_p", "n", "best_of", "stream_options", "tool_choice", "response_format",
    "seed", "user", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs",
    "logit_bias", "parallel_tool_calls", "reasoning_effort", "service_tier", "store", "suffix",
    "echo", "metadata", "top_k", "min_p",
)  # fmt: skip
"""Members with a meaning of their own: no other parameter is renamed onto them."""
OUTPUT: Final = ("max_tokens", "max_completion_tokens")


def _in(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


class ProfilePreset(StrEnum):
    """Where a profile begins."""

    FAMILY = "Family"
    NONE = "None"


class DeveloperRole(StrEnum):
    """What becomes of messages with the role developer."""

    KEEP = "Keep"
    SYSTEM = "System"
    USER = "User"


class SystemRole(StrEnum):
    """What becomes of messages with the role system."""

    KEEP = "Keep"
    USER = "User"


class ReasoningContent(StrEnum):
    """What becomes of the reasoning in earlier answers."""

    KEEP = "Keep"
    DROP = "Drop"
    FILL = "Fill"


class ThinkingForm(StrEnum):
    """The member that a backend reads whether to think from."""

    ENABLE_THINKING_KWARG = "EnableThinkingKwarg"
    THINKING_KWARG = "ThinkingKwarg"
    THINKING_TYPE = "ThinkingType"
    ENABLE_THINKING = "EnableThinking"


class ThinkingDefault(StrEnum):
    """Of requests that do not say."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class SystemText(ApiModel):
    """Text around the caller's system message, or in its place."""

    prefix: str | None = Field(
        default=None, min_length=1, max_length=8192,
        description="Text before the first system message, or a system message if there is none.",
    )  # fmt: skip
    suffix: str | None = Field(
        default=None, min_length=1, max_length=8192,
        description="Text after the first system message.",
    )  # fmt: skip
    replacement: str | None = Field(
        default=None, min_length=1, max_length=8192,
        description="The only system message; the caller's are left out.",
    )  # fmt: skip

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.prefix) || has(self.suffix) || has(self.replacement)",
            "one of prefix, suffix and replacement must be set",
            lambda s: bool(s.prefix or s.suffix or s.replacement),
        ),
        Rule(
            "!has(self.replacement) || (!has(self.prefix) && !has(self.suffix))",
            "replacement cannot be set with prefix or suffix",
            lambda s: not s.replacement or not (s.prefix or s.suffix),
            field=".replacement",
        ),
    )


class Roles(ApiModel):
    """Roles that the model does not know, as others."""

    developer: DeveloperRole | None = Field(
        default=None, description="Role of developer messages: Keep, System or User."
    )
    system: SystemRole | None = Field(
        default=None,
        description="Role of system messages, Keep or User. With User, developer messages become "
        "the user's too, and the text of both goes before that of the user message that follows.",
    )


def _between(value: str | None, least: str | None, most: str | None) -> bool:
    if value is None or (least is None and most is None):
        return True
    if re.fullmatch(NUMBER, value) is None:
        return False
    number = float(value)
    return (least is None or number >= float(least)) and (most is None or number <= float(most))


class ProfileParameter(ApiModel):
    """What becomes of one member of the body, such as temperature."""

    name: MemberName = Field(
        description="Name of the member in the caller's body. max_tokens and "
        "max_completion_tokens are one parameter: bounds of either hold for both."
    )
    default: str | None = Field(
        default=None, max_length=256,
        description="Value of requests that do not have it. What is a number, true or false in "
        "JSON is sent as such, all else as text.",
    )  # fmt: skip
    min: Number | None = Field(default=None, description="Least value; smaller ones become it.")
    max: Number | None = Field(default=None, description="Largest value; larger ones become it.")
    rename_to: MemberName | None = Field(
        default=None, description="Name by which the backend knows it."
    )
    remove: bool | None = Field(
        default=None, description="True: the backend never gets it. With nothing else."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.name in {_in(RESERVED)})",
            "a profile cannot change model, messages, prompt, input, stream, tools and functions; "
            "stop and thinking have fields of their own",
            lambda p: p.name not in RESERVED,
            field=".name",
        ),
        Rule(
            f"!has(self.renameTo) || !(self.renameTo in {_in(RESERVED)})",
            "renameTo cannot be a member that routing reads or that has a field of its own",
            lambda p: p.rename_to not in RESERVED,
            field=".renameTo",
        ),
        Rule(
            f"!has(self.renameTo) || !(self.renameTo in {_in(STANDARD)})",
            "renameTo is another parameter, with a meaning of its own",
            lambda p: p.rename_to not in STANDARD,
            field=".renameTo",
        ),
        Rule(
            f"!has(self.renameTo) || (self.renameTo != self.name && "
            f"(self.name in {_in(OUTPUT)} || !(self.renameTo in {_in(OUTPUT)})))",
            "renameTo is another parameter: only max_tokens and max_completion_tokens are one",
            lambda p: (
                p.rename_to is None
                or (p.rename_to != p.name and (p.name in OUTPUT or p.rename_to not in OUTPUT))
            ),
            field=".renameTo",
        ),
        Rule(
            "has(self.default) || has(self.min) || has(self.max) || has(self.renameTo) || "
            "(has(self.remove) && self.remove)",
            "one of default, min, max, renameTo and remove must be set",
            lambda p: bool(p.default is not None or p.min or p.max or p.rename_to or p.remove),
        ),
        Rule(
            "!has(self.remove) || !self.remove || !(has(self.default) || has(self.min) || "
            "has(self.max) || has(self.renameTo))",
            "remove cannot be set with default, min, max or renameTo",
            lambda p: not p.remove or not (p.default is not None or p.min or p.max or p.rename_to),
            field=".remove",
        ),
        Rule(
            "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            "min is above max: no value is left",
            lambda p: p.min is None or p.max is None or float(p.min) <= float(p.max),
            field=".min",
        ),
        Rule(
            f"!has(self.default) || (!has(self.min) && !has(self.max)) || "
            f"(self.default.matches(r'{NUMBER}') && "
            "(!has(self.min) || double(self.default) >= double(self.min)) && "
            "(!has(self.max) || double(self.default) <= double(self.max)))",
            "default must be a number between min and max",
            lambda p: _between(p.default, p.min, p.max),
            field=".default",
        ),
        Rule(
            f"!(self.name in {_in(COUNTS)}) || "
            "!(has(self.default) || has(self.min) || has(self.renameTo))",
            "n and best_of can have a max or be removed: budgets reserve what the caller asked for",
            lambda p: p.name not in COUNTS or not (p.default is not None or p.min or p.rename_to),
            field=".name",
        ),
        Rule(
            f"!(self.name in {_in(OUTPUT)} || (has(self.renameTo) && "
            f"self.renameTo in {_in(OUTPUT)})) || ((!has(self.default) || "
            "self.default.matches('^[1-9][0-9]{0,8}$')) && (!has(self.min) || "
            "self.min.matches('^[1-9][0-9]{0,8}$')) && (!has(self.max) || "
            "self.max.matches('^[1-9][0-9]{0,8}$')))",
            "max_tokens and max_completion_tokens need whole numbers above 0",
            lambda p: (
                not {p.name, p.rename_to} & set(OUTPUT)
                or all(
                    text is None or re.fullmatch("[1-9][0-9]{0,8}", text) is not None
                    for text in (p.default, p.min, p.max)
                )
            ),
        ),
    )


class Thinking(ApiModel):
    """How the model is told whether to think."""

    form: ThinkingForm = Field(
        description="EnableThinkingKwarg (chat_template_kwargs.enable_thinking), ThinkingKwarg "
        "(chat_template_kwargs.thinking), ThinkingType (thinking.type) or EnableThinking "
        "(enable_thinking). What a caller says in another form is put into this one."
    )
    default: ThinkingDefault | None = Field(
        default=None,
        description="Enabled or Disabled, for requests that do not say. Default: the model's own.",
    )


class PromptProfile(ApiModel):
    """What a chat request is changed by for this model, and only for it."""

    preset: ProfilePreset = Field(
        default=ProfilePreset.FAMILY,
        description="Family: begin with what is known of the family, the engine and the provider; "
        "each field here takes the place of its own. None: begin with nothing.",
    )
    system: SystemText | None = Field(
        default=None, description="System text that is added or put in place of the caller's."
    )
    roles: Roles | None = Field(default=None, description="Roles that the model does not know.")
    parameters: list[ProfileParameter] = Field(
        default=[], max_length=32, description="Defaults, bounds, names and removals of parameters."
    )
    stop: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[],
        max_length=4,
        description="Stop sequences added to the caller's, of which 16 in all are sent.",
    )
    thinking: Thinking | None = Field(
        default=None, description="How the model is told whether to think."
    )
    reasoning_content: ReasoningContent | None = Field(
        default=None,
        description="The reasoning of earlier answers: Keep sends it, Drop leaves it out, Fill "
        "sends it and gives answers of other models that have none a blank one, for APIs that "
        "refuse history without.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "parameters": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "stop": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.parameters) || self.parameters.all(a, "
            "self.parameters.exists_one(b, a.name == b.name))",
            "two parameters have the same name",
            lambda p: len({one.name for one in p.parameters}) == len(p.parameters),
            field=".parameters",
        ),
        Rule(
            "!has(self.parameters) || self.parameters.all(a, !has(a.renameTo) || "
            "(self.parameters.all(b, b.name != a.renameTo) && self.parameters.exists_one(b, "
            "has(b.renameTo) && b.renameTo == a.renameTo)))",
            "a parameter is renamed onto another",
            lambda p: _lands_alone(p.parameters),
            field=".parameters",
        ),
    )


def _lands_alone(parameters: list[ProfileParameter]) -> bool:
    new = [one.rename_to for one in parameters if one.rename_to is not None]
    return len(set(new)) == len(new) and not set(new) & {one.name for one in parameters}
