"""EvaluationSuite: golden prompts, and what a good answer to each looks like.

Whether a JSON schema is one, and what a ConfigMap holds, only the operator and `pointsman check`
can say; everything else is judged here.
"""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.quantity import parse_duration
from pointsman.api.redaction import MAX_PATTERN_CHARS, is_pattern
from pointsman.api.tasks import Task
from pointsman.api.v1alpha1.drawing import LedgerDraw
from pointsman.api.v1alpha1.meta import ObjectMeta
from pointsman.api.v1alpha1.routingpolicy import ModelName
from pointsman.api.validation import ApiModel, Duration, Rule

_LONGEST_S = 3600
_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$"
KINDS_OF_CHECK = (
    "exact",
    "contains",
    "notContains",
    "regex",
    "number",
    "jsonSchema",
    "refusal",
    "maxLatency",
    "judge",
)


class Refusal(StrEnum):
    """Whether an answer should decline."""

    EXPECTED = "Expected"
    NOT_EXPECTED = "NotExpected"


class NumberCheck(ApiModel):
    """A number that the answer gives."""

    value: str = Field(
        pattern=_NUMBER, max_length=26, description="The right number, such as '12.5'."
    )
    tolerance: str = Field(
        default="0",
        pattern=_NUMBER.replace("-?", ""),
        max_length=26,
        description="How far off it may be, in either direction.",
    )


class JudgeCheck(ApiModel):
    """What a model is asked about the answer."""

    rubric: str = Field(
        min_length=1,
        max_length=4096,
        description="What a good answer has to do, in words for the judge.",
    )
    reference: str | None = Field(
        default=None,
        min_length=1,
        max_length=16384,
        description="Another answer to compare with: the judge is asked twice which one is better, "
        "with the places swapped, and is not told whose they are. Better is 1, as good is 0.5, "
        "worse is 0. Without it the judge scores the answer from 0 to 1.",
    )


class Check(ApiModel):
    """One thing that is asked of an answer."""

    exact: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="The answer is this text, but for space around it.",
    )
    contains: str | None = Field(
        default=None, min_length=1, max_length=4096, description="This text is in the answer."
    )
    not_contains: str | None = Field(
        default=None, min_length=1, max_length=4096, description="This text is not in the answer."
    )
    ignore_case: bool = Field(
        default=False,
        description="With exact, contains and notContains: capital letters do not matter.",
    )
    regex: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PATTERN_CHARS,
        description="A pattern that is found in the answer, in RE2's syntax.",
    )
    number: NumberCheck | None = Field(
        default=None,
        description="The last number of the answer. It is read as people write it: 1,234.5 and "
        "1.234,5 and 1 234,5. An answer without a number is not scored (Unreadable).",
    )
    json_schema: str | None = Field(
        default=None,
        min_length=2,
        max_length=16384,
        description="A JSON schema (draft 2020-12), as JSON. The answer, or the only code block in "
        "it, is JSON that the schema takes.",
    )
    refusal: Refusal | None = Field(
        default=None,
        description="Expected: the model declines. NotExpected: it does not. Without this check "
        "an answer that declines and is not right is not scored (Refused).",
    )
    max_latency: Duration | None = Field(
        default=None, description="The whole answer is there within this time; 1h at most."
    )
    judge: JudgeCheck | None = Field(
        default=None, description="Another model says how good the answer is; needs spec.judge."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[" + ", ".join(f"has(self.{name})" for name in KINDS_OF_CHECK) + "]"
            ".filter(x, x).size() == 1",
            "exactly one of exact, contains, notContains, regex, number, jsonSchema, refusal, "
            "maxLatency and judge must be set",
            lambda c: len(c.kinds()) == 1,
        ),
        Rule(
            "!has(self.ignoreCase) || has(self.exact) || has(self.contains) || "
            "has(self.notContains)",
            "ignoreCase belongs to exact, contains and notContains",
            lambda c: (
                "ignore_case" not in c.model_fields_set
                or bool(c.kinds() & {"exact", "contains", "notContains"})
            ),
            field=".ignoreCase",
        ),
        Rule(
            "!has(self.regex) || (!self.regex.contains('\\\\C') && "
            "!self.regex.matches('[{][0-9,]*[0-9]{3}') && !''.matches(self.regex))",
            "regex is no pattern of RE2, counts above 99, is too large, or matches the empty text",
            lambda c: c.regex is None or is_pattern(c.regex),
            field=".regex",
        ),
        Rule(
            "!has(self.maxLatency) || (duration(self.maxLatency) > duration('0s') && "
            "duration(self.maxLatency) <= duration('1h'))",
            "maxLatency must be longer than 0s, and 1h at most",
            lambda c: c.max_latency is None or 0 < parse_duration(c.max_latency) <= _LONGEST_S,
            field=".maxLatency",
            reason=Reason.INVALID_RANGE,
        ),
    )

    def kinds(self) -> set[str]:
        """Which of the checks are set, by their YAML names."""
        fields = type(self).model_fields
        found = {fields[name].alias or name for name in fields if getattr(self, name) is not None}
        return found & set(KINDS_OF_CHECK)


class Message(ApiModel):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: str = Field(min_length=1, max_length=65536, description="What is said.")


class GoldenPrompt(ApiModel):
    """A prompt, and what is asked of its answer."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the prompt; results are kept by it.",
    )
    task: Task = Field(default=Task.CHAT, description="What kind of work it is: results are by it.")
    weight: int = Field(
        default=1, ge=1, le=1000, description="How much it counts among the prompts of its task."
    )
    prompt: str | None = Field(
        default=None, min_length=1, max_length=65536, description="What the user says."
    )
    messages: list[Message] = Field(
        default=[],
        max_length=32,
        description="A conversation instead of a prompt; the last message is the user's.",
    )
    max_tokens: int = Field(
        default=512, ge=1, le=1_000_000, description="Longest answer that is asked for, in tokens."
    )
    metadata: dict[str, Annotated[str, Field(max_length=512)]] = Field(
        default={},
        max_length=16,
        description="Sent as the request's metadata, which rules of a RoutingPolicy may match.",
    )
    checks: list[Check] = Field(
        min_length=1,
        max_length=8,
        description="What is asked of the answer. Its score, from 0 to 1, is that of its worst "
        "check.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "messages": {"x-kubernetes-list-type": "atomic"},
        "checks": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.prompt) != (has(self.messages) && self.messages.size() > 0)",
            "exactly one of prompt and messages must be set",
            lambda p: (p.prompt is None) != (not p.messages),
        ),
        Rule(
            "!has(self.messages) || self.messages.size() == 0 || "
            "self.messages[self.messages.size() - 1].role == 'user'",
            "the last of messages must be the user's",
            lambda p: not p.messages or p.messages[-1].role == "user",
            field=".messages",
        ),
    )


class ConfigMapRef(ApiModel):
    """A key of a ConfigMap in the same namespace."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
        description="Name of the ConfigMap.",
    )
    key: str = Field(
        default="prompts.jsonl",
        pattern=r"^[-._a-zA-Z0-9]+$",
        max_length=253,
        description="Key in its data.",
    )


class Judge(ApiModel):
    """Who judges."""

    model: ModelName = Field(
        description="Who judges: the ModelBackend of this namespace with this name, else one that "
        "serves this model; no policy's model name. pointsman evaluate asks --judge-url for it. It "
        "should not be one that is evaluated."
    )
    max_tokens: int = Field(
        default=256, ge=16, le=16384, description="Longest verdict that is asked for, in tokens."
    )


class EvaluationSuiteSpec(ApiModel):
    """Prompts: here, in a ConfigMap, and drawn from real requests."""

    prompts: list[GoldenPrompt] = Field(
        default=[], max_length=256, description="Prompts and their checks."
    )
    config_map_ref: ConfigMapRef | None = Field(
        default=None,
        description="More prompts: each line of the key is one, as JSON, with the fields of "
        "prompts; 2,000 in all.",
    )
    ledger: LedgerDraw | None = Field(
        default=None,
        description="More prompts: requests whose texts the ledger keeps, with what people said "
        "of the answers. They are sent to every backend that is evaluated by this suite, and to "
        "its judge. Needs spec.judge.",
    )
    judge: Judge | None = Field(default=None, description="The model that checks of judge ask.")

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "prompts": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.prompts) && self.prompts.size() > 0) || has(self.configMapRef) || "
            "has(self.ledger)",
            "prompts, configMapRef or ledger must be set",
            lambda s: bool(s.prompts) or s.config_map_ref is not None or s.ledger is not None,
        ),
        Rule(
            "!has(self.prompts) || self.prompts.all(a, self.prompts.exists_one(b, "
            "a.name == b.name))",
            "two prompts have the same name",
            lambda s: len({p.name for p in s.prompts}) == len(s.prompts),
            field=".prompts",
        ),
        Rule(
            "has(self.judge) || !has(self.prompts) || !self.prompts.exists(p, p.checks.exists(c, "
            "has(c.judge)))",
            "a check asks a judge, and spec.judge names none",
            lambda s: s.judge is not None or not any(c.judge for p in s.prompts for c in p.checks),
            field=".judge",
        ),
        Rule(
            "has(self.judge) || !has(self.ledger)",
            "what is drawn from the ledger is for a judge, and spec.judge names none",
            lambda s: s.judge is not None or s.ledger is None,
            field=".judge",
        ),
    )


class EvaluationSuite(ApiModel):
    """Golden prompts, and what a good answer to each looks like."""

    api_version: Literal["pointsman.dev/v1alpha1"] = "pointsman.dev/v1alpha1"
    kind: Literal["EvaluationSuite"] = "EvaluationSuite"
    metadata: ObjectMeta
    spec: EvaluationSuiteSpec

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && "
            "self.metadata.name.size() <= 52",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and -, and have at most "
            "52 characters (results are kept by it)",
            lambda s: (
                re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", s.metadata.name) is not None
                and len(s.metadata.name) <= 52
            ),
        ),
    )
