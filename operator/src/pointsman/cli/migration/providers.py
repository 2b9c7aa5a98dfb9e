"""PURE: where a LiteLLM model is, as a URL that speaks OpenAI's API or a Service of the cluster.

What speaks another API is refused with what to do about it. URLs are those that the providers'
documentation gives for OpenAI clients (LiteLLM's own defaults where it has some), 2026-11-26.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pointsman.api.spelling import did_you_mean

URLS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "text-completion-openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "openrouter": "https://openrouter.ai/api/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "codestral": "https://codestral.mistral.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "xai": "https://api.x.ai/v1",
    "perplexity": "https://api.perplexity.ai",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "sambanova": "https://api.sambanova.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "moonshot": "https://api.moonshot.ai/v1",
    "zai": "https://api.z.ai/api/paas/v4",
    "dashscope": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "novita": "https://api.novita.ai/v3/openai",
    "hyperbolic": "https://api.hyperbolic.xyz/v1",
    "nebius": "https://api.studio.nebius.ai/v1",
    "ai21": "https://api.ai21.com/studio/v1",
    "ai21_chat": "https://api.ai21.com/studio/v1",
    "friendliai": "https://api.friendli.ai/serverless/v1",
    "baseten": "https://inference.baseten.co/v1",
    "meta_llama": "https://api.llama.com/compat/v1",
    "volcengine": "https://ark.cn-beijing.volces.com/api/v3",
    "vercel_ai_gateway": "https://ai-gateway.vercel.sh/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "cohere_chat": "https://api.cohere.ai/compatibility/v1",
    "voyage": "https://api.voyageai.com/v1",
    "jina_ai": "https://api.jina.ai/v1",
}
KEYS: Final[Mapping[str, str]] = {
    "together_ai": "TOGETHERAI_API_KEY",
    "perplexity": "PERPLEXITYAI_API_KEY",
    "dashscope": "DASHSCOPE_API_KEY",
    "text-completion-openai": "OPENAI_API_KEY",
    "cohere_chat": "COHERE_API_KEY",
    "ai21_chat": "AI21_API_KEY",
    "meta_llama": "LLAMA_API_KEY",
    "databricks": "DATABRICKS_API_KEY",
    "azure": "AZURE_API_KEY",
    "azure_ai": "AZURE_AI_API_KEY",
}
"""The variable that LiteLLM reads where there is no api_key, if it is not PROVIDER_API_KEY."""
OWN: Final = (
    "openai", "hosted_vllm", "openai_like", "custom_openai", "litellm_proxy", "lm_studio",
    "llamafile", "xinference", "databricks", "docker_model_runner", "infinity", "lemonade",
    "azure_ai", "text-completion-openai", "custom",
)  # fmt: skip
"""Servers that speak OpenAI's API at the api_base that is given."""
_GATEWAY: Final = (
    "its API is not OpenAI's: keep LiteLLM (or another gateway) for this model alone, and add it "
    "here as a ModelBackend with that gateway's URL"
)
REFUSED: Final[Mapping[str, str]] = {
    "bedrock": "Amazon Bedrock wants signed requests (SigV4). Where the model is served by its "
    "OpenAI-compatible endpoint, write model openai/NAME with api_base "
    "https://bedrock-runtime.REGION.amazonaws.com/openai/v1 and a Bedrock API key; else keep a "
    "gateway for it",
    "sagemaker": "Amazon SageMaker wants signed requests (SigV4): keep a gateway for it",
    "sagemaker_chat": "Amazon SageMaker wants signed requests (SigV4): keep a gateway for it",
    "vertex_ai": "Vertex AI wants short-lived tokens of a service account: use the provider "
    "gemini/ with a key, or keep a gateway for it",
    "vertex_ai_beta": "Vertex AI wants short-lived tokens: use gemini/ with a key, or keep a "
    "gateway for it",
    "vllm": "that is vLLM inside LiteLLM's process: run it as a server (spec.deployment.engine: "
    "VLLM)",
    "watsonx": _GATEWAY,
    "huggingface": "write model openai/NAME with api_base https://router.huggingface.co/v1, or the "
    "URL of your endpoint with /v1",
    "replicate": _GATEWAY,
    "predibase": _GATEWAY,
    "nlp_cloud": _GATEWAY,
    "petals": _GATEWAY,
    "cloudflare": "write model openai/NAME with api_base https://api.cloudflare.com/client/v4/"
    "accounts/ACCOUNT/ai/v1",
    "triton": _GATEWAY,
    "oobabooga": "write model openai/NAME with its api_base and /v1",
    "snowflake": _GATEWAY,
    "github_copilot": _GATEWAY,
    "chatgpt": _GATEWAY,
    "auto_router": "rules and spec.predictor of a RoutingPolicy choose here (docs/choosing.md)",
}
_ANTHROPIC: Final = (
    "asked by Anthropic's OpenAI-compatible API: prompt caching and some parameters of its own API "
    "are not there"
)
_AZURE: Final = (
    "asked by Azure's v1 API, which knows the deployment by the model's name and takes no "
    "api_version"
)
_OPENAI: Final = re.compile(r"(gpt-|o[1-9]|chatgpt-|text-embedding-|ft:gpt-|davinci-|babbage-)")
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")
_URL: Final = re.compile(r"https://[A-Za-z0-9.\[\]:-]+(/[^@?#\s]*)?")
_LOOPBACK: Final = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^@?#\s]*)?")
_SERVICE: Final = re.compile(
    r"(?P<name>[a-z]([-a-z0-9]{0,61}[a-z0-9])?)"
    r"(\.(?P<space>[a-z0-9]([-a-z0-9]*[a-z0-9])?)\.svc(\.[a-z0-9.-]+)?)?"
)


class CannotPlace(Exception):
    """Why a model cannot be imported, and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is; exactly one of `service` and `url` is set."""

    provider: str
    model: str
    url: str = ""
    service: tuple[str, int] | None = None
    said: tuple[str, ...] = ()
    """What is to be known of it."""

    @property
    def host(self) -> str:
        """Who is shown the key."""
        return (urlsplit(self.url).hostname or "") if self.url else ""

    @property
    def key_variable(self) -> str:
        """The variable that LiteLLM reads where there is no api_key; empty if it needs none."""
        if self.provider in URLS or self.provider == "azure":
            return KEYS.get(self.provider, f"{self.provider.upper()}_API_KEY")
        return KEYS.get(self.provider, "")


def split(model: str, provider: str) -> tuple[str, str]:
    """Provider and the rest of `provider/model`; raises CannotPlace."""
    head, slash, rest = model.partition("/")
    if provider:
        return provider, rest if slash and head == provider else model
    known = (*URLS, *OWN, *REFUSED, "azure", "ollama", "ollama_chat")
    if slash and head in known:
        return head, rest
    if not slash and _OPENAI.match(model):
        return "openai", model
    if not slash and model.startswith("claude-"):
        return "anthropic", model
    hint = did_you_mean(head, known) if slash else ""
    raise CannotPlace(
        f"its provider cannot be told{hint}: write PROVIDER/MODEL; for a server that speaks "
        "OpenAI's API openai/MODEL and its api_base"
    )


def place(model: str, provider: str, api_base: str) -> Place:
    """Where it is. Raises CannotPlace."""
    name, rest = split(model, provider)
    if name in REFUSED or name.startswith("sagemaker"):
        raise CannotPlace(f"provider {name}: {REFUSED.get(name, _GATEWAY)}")
    if not _MODEL.fullmatch(rest) or len(rest) > 253:
        raise CannotPlace(
            "its model name has signs that are not allowed: A-Z a-z 0-9 . _ : / @ + -"
        )
    if name == "azure":
        return _azure(rest, api_base)
    if name in {"ollama", "ollama_chat"}:
        base = (api_base or "http://localhost:11434").rstrip("/").removesuffix("/api")
        return _at(name, rest, base if base.endswith("/v1") else f"{base}/v1")
    base = api_base or URLS.get(name, "")
    if not base:
        raise CannotPlace(f"provider {name} needs an api_base, and it has none")
    base = base.rstrip("/").removesuffix("/chat/completions").removesuffix("/completions")
    said: tuple[str, ...] = ()
    if name == "anthropic" and (urlsplit(base).path in {"", "/v1"}):
        base = f"{base.removesuffix('/v1')}/v1"
        said = (_ANTHROPIC,)
    return _at(name, rest, base, said)


def _azure(model: str, api_base: str) -> Place:
    if not api_base:
        raise CannotPlace("provider azure needs an api_base, such as https://NAME.openai.azure.com")
    base = re.sub(r"/openai(/v1|/deployments/.*)?$", "", api_base.rstrip("/"))
    return _at("azure", model, f"{base}/openai/v1", (_AZURE,))


def _at(provider: str, model: str, url: str, said: tuple[str, ...] = ()) -> Place:
    if _URL.fullmatch(url):
        return Place(provider, model, url, None, said)
    if _LOOPBACK.fullmatch(url):
        more = "loopback: this machine, in `pointsman up` only"
        return Place(provider, model, url, None, (*said, more))
    parts = urlsplit(url)
    found = _SERVICE.fullmatch(parts.hostname or "") if parts.scheme == "http" else None
    if found is None or parts.username or parts.query or parts.fragment:
        raise CannotPlace(
            "its api_base is neither https:// (no user, query or fragment) nor http:// to a "
            "Service of the cluster (NAME, NAME.NAMESPACE.svc): put TLS or a Service before it"
        )
    if parts.path.rstrip("/") != "/v1":
        raise CannotPlace("its api_base is a Service with another path than /v1, which is asked")
    where = f" of namespace {found['space']}" if found["space"] else ""
    more = f"the Service {found['name']}{where} has to be where this is applied"
    try:
        port = parts.port or 80
    except ValueError:
        raise CannotPlace("the port of its api_base is none") from None
    return Place(provider, model, "", (found["name"], port), (*said, more))
