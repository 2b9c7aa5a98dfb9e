"""What calls of models took, as histograms under the names of OpenTelemetry's GenAI conventions.

Guarantees bounded series: keys are an operation, a provider, a model of the table, a model that
an answer named (the first few of each) and one of our reasons; past a bound they are one series.
Source of names and buckets: the semantic conventions for generative AI metrics, "Development".
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pointsman.api.table import ExternalAddress, ServiceAddress
from pointsman.router.histogram import Histogram

SELF_HOSTED: Final = "self_hosted"
OTHER: Final = "_OTHER"
OPERATIONS: Final = {
    "chat/completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "rerank": "rerank",
}
_HOSTS: Final = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
_ENDINGS: Final = {
    ".openai.azure.com": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.inference",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
}
_DURATION_S: Final = tuple(0.01 * 2**n for n in range(14))
_TOKENS: Final = tuple(4**n for n in range(14))
_FIRST_TOKEN_S: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0
)  # fmt: skip
_OUTPUT_TOKEN_S: Final = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5
)  # fmt: skip
_MOST_SERIES: Final = 2000
"""Of one family: the limit that OpenTelemetry's SDKs have."""
_MOST_NAMED: Final = 8
"""Models that answers of one model may name."""


def provider_of(address: ServiceAddress | ExternalAddress) -> str:
    """A well-known provider by its host; `self_hosted` in the cluster, else `openai_compatible`."""
    if isinstance(address, ServiceAddress):
        return SELF_HOSTED
    try:
        host = urlsplit(address.url).hostname or ""
    except ValueError:
        host = ""
    found = _HOSTS.get(host)
    if found is not None:
        return found
    if host.startswith("bedrock") and host.endswith(".amazonaws.com"):
        return "aws.bedrock"
    named = (name for ending, name in _ENDINGS.items() if host.endswith(ending))
    return next(named, "openai_compatible")


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric; `labels` name what its keys are made of, an empty part is left out."""

    name: str
    unit: str
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    series: dict[tuple[str, ...], Histogram] = field(default_factory=dict)

    def observe(self, key: tuple[str, ...], value: float) -> None:
        """Add one value to the series of this key; past the bound to that of the empty key."""
        found = self.series.get(key)
        if found is None:
            if len(self.series) >= _MOST_SERIES:
                key = ()
            found = self.series.setdefault(key, Histogram(self.bounds))
        found.observe(value)


_CALL: Final = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model"
)  # fmt: skip
Key = tuple[str, str, str, str]
"""The values of `_CALL`."""


class Measures:
    """All of them. `duration` is of each call of a model, the speed is what callers see."""

    def __init__(self) -> None:
        self.duration = Family(
            "gen_ai.client.operation.duration", "s", "GenAI operation duration.",
            (*_CALL, "error.type"), _DURATION_S,
        )  # fmt: skip
        self.tokens = Family(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.",
            (*_CALL, "gen_ai.token.type"), _TOKENS,
        )  # fmt: skip
        self.first_token = Family(
            "gen_ai.server.time_to_first_token", "s",
            "Time to generate first token for successful responses.", _CALL, _FIRST_TOKEN_S,
        )  # fmt: skip
        self.output_token = Family(
            "gen_ai.server.time_per_output_token", "s",
            "Time per output token generated after the first token for successful responses.",
            _CALL, _OUTPUT_TOKEN_S,
        )  # fmt: skip
        self._named: dict[str, set[str]] = {}

    @property
    def families(self) -> tuple[Family, ...]:
        """In the order of sending."""
        return (self.duration, self.tokens, self.first_token, self.output_token)

    def named(self, model: str, by_answer: str) -> str:
        """What an answer of `model` calls it, if it is one of the first few names."""
        known = self._named.get(model)
        if known is None:
            if len(self._named) >= _MOST_SERIES:
                return OTHER
            known = self._named[model] = set()
        if by_answer not in known:
            if len(known) >= _MOST_NAMED:
                return OTHER
            known.add(by_answer)
        return by_answer
