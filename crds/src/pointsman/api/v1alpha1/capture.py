"""What is kept of prompts and answers, and what is told from how people ask."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pointsman.api.redaction import MAX_PATTERN_CHARS, MAX_PATTERNS, Known, is_pattern
from pointsman.api.validation import ApiModel, Duration, Rule, lasting

CaptureMode = Literal["None", "Hash", "Sampled", "Full"]
"""How much of a text is kept. Not `Off`, which is false in the YAML that kubectl reads."""
Signal = Literal["Retry", "Abandoned"]
"""What is seen, not said."""


class Redact(ApiModel):
    """What is taken out of a text before anything else is done with it."""

    built_in: list[Known] = Field(
        default=list(Known),
        max_length=4,
        description="Kinds that have patterns: ApiKey (keys and tokens of well-known services, "
        "private keys, what follows password= and its like), BearerToken, Email, CreditCard.",
    )
    patterns: list[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)]] = Field(
        default=[],
        max_length=MAX_PATTERNS,
        description="More patterns, in RE2's syntax.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "built_in": {"x-kubernetes-list-type": "atomic"},
        "patterns": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.patterns) || self.patterns.all(p, !p.contains('\\\\C') && "
            "!p.matches('[{][0-9,]*[0-9]{3}') && !''.matches(p))",
            "patterns holds what is no pattern of RE2, counts above 99, is too large, or matches "
            "the empty text",
            lambda r: all(is_pattern(pattern) for pattern in r.patterns),
            field=".patterns",
        ),
    )


class Capture(ApiModel):
    """What is kept of the texts of a request, by the ledger."""

    mode: CaptureMode = Field(
        description="None: nothing. Hash: a SHA-256 of each text, to see the same one again. "
        "Sampled: the texts of a share of the requests. Full: the texts of all."
    )
    sample_percent: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="With mode Sampled, and only there: how many of 100 requests are kept.",
    )
    redact: Redact = Field(
        default=Redact(), description="What is taken out of a text, also before it is hashed."
    )
    retention: Duration = Field(
        default="168h", description="How long a text is kept, from the request on; 9600h at most."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.mode == 'Sampled') == has(self.samplePercent)",
            "mode Sampled needs samplePercent, and no other mode takes it",
            lambda c: (c.mode == "Sampled") == (c.sample_percent is not None),
            field=".samplePercent",
        ),
        lasting("retention", "1s", "9600h"),
    )


class ImplicitFeedback(ApiModel):
    """What is told from how people ask. It never counts as a rating."""

    signals: list[Signal] = Field(
        min_length=1,
        max_length=2,
        description="Retry: the same caller asks the same, or nearly the same, again after it "
        "had its answer. Abandoned: a stream's reader left before its end.",
    )
    retry_window: Duration = Field(
        default="5m",
        description="How long after an answer a question is looked at for a retry; 1h at most.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "signals": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (lasting("retry_window", "1s", "1h"),)
