"""Keys of litellm_params and model_info."""

from collections.abc import Mapping
from typing import Final

from pointsman.cli.migration.known.settings import LITELLM
from pointsman.cli.migration.known.words import (
    EJECT,
    EMBED,
    GUARD,
    HEALTH,
    HERE,
    LEARNED,
    RETRIES,
)

DEFAULTS: Final = (
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "seed",
    "frequency_penalty", "presence_penalty", "reasoning_effort", "service_tier",
    "repetition_penalty", "parallel_tool_calls",
)  # fmt: skip
"""Of litellm_params: what a request gets that does not have it; promptProfile.parameters."""
_SAID: Final = ("n", "response_format", "user", "logit_bias", "stream", "metadata", "tools")

_LIMIT: Final = "no limit of a backend by the minute: maxConcurrentRequests bounds what is at once"
_CLOUD: Final = "goes with its provider's own API, which is not spoken here"
PARAMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(DEFAULTS, HERE),
    **dict.fromkeys(_SAID, "a request says it itself: no default for it"),
    "model": HERE,
    "api_base": HERE,
    "base_url": HERE,
    "api_key": HERE,
    "api_version": HERE,
    "custom_llm_provider": HERE,
    "weight": HERE,
    "order": HERE,
    "rpm": HERE,
    "tpm": HERE,
    "tags": HERE,
    "timeout": HERE,
    "stream_timeout": HERE,
    "max_parallel_requests": HERE,
    "additional_drop_params": HERE,
    "drop_params": LITELLM["drop_params"],
    "max_retries": RETRIES,
    "num_retries": RETRIES,
    "cooldown_time": EJECT,
    "rpd": _LIMIT,
    "tpd": _LIMIT,
    "itpm": _LIMIT,
    "otpm": _LIMIT,
    "max_budget": "use spec.budgets of the policy (docs/budgets.md)",
    "budget_duration": "use spec.budgets of the policy (docs/budgets.md)",
    "tag_regex": "write a rule with headers by hand",
    "organization": "no OpenAI-Organization header: a project key says it too",
    "extra_headers": "no headers of your own are sent to a provider",
    "headers": "no headers of your own are sent to a provider",
    "extra_body": "write plain members as promptProfile.parameters",
    "thinking": "use promptProfile.thinking (docs/profiles.md)",
    "mock_response": "use a ModelBackend with deployment.engine: Simulator",
    "stop": HERE,
    "litellm_credential_name": "put the key into a Secret: see credentialsSecretRef",
    "merge_reasoning_content_in_choices": "use promptProfile.reasoningContent (docs/profiles.md)",
    "use_in_pass_through": "no pass-through",
    "silent_model": "use rollout.shadow of the policy (docs/rollouts.md)",
    "model_info": "write it beside litellm_params",
    "region_name": _CLOUD,
    "allowed_openai_params": EMBED,
    "use_chat_completions_api": "always so: /v1/responses is translated to chat (docs/api.md)",
    "guardrails": GUARD,
    "prompt_id": "use promptProfile.system for text that a model always gets",
    "keepalive_seconds": "not needed",
    "configurable_clientside_auth_params": "a caller never names a provider's URL or key",
}
PARAM_PREFIXES: Final[Mapping[str, str]] = {
    "aws_": _CLOUD,
    "vertex_": _CLOUD,
    "azure_": "only keys: no Microsoft Entra login",
    "tenant_id": "only keys: no Microsoft Entra login",
    "client_id": "only keys: no Microsoft Entra login",
    "client_secret": "only keys: no Microsoft Entra login",
    "watsonx_": _CLOUD,
    "s3_": _CLOUD,
    "gcs_": _CLOUD,
    "anthropic_": "only keys: no identity federation",
    "openai_": "only keys: no identity federation",
    "cache_control_injection_points": "write cache_control into the messages",
    "auto_router_": LEARNED,
    "complexity_router_": "use match.complexity of a rule (docs/rules.md)",
    "adaptive_router_": LEARNED,
    "quality_router_": LEARNED,
}
MODEL_INFO: Final[Mapping[str, str]] = {
    "id": HERE,
    "mode": HERE,
    "max_input_tokens": HERE,
    "max_tokens": HERE,
    "max_output_tokens": "the bound of an answer: write promptProfile.parameters with max",
    "supports_function_calling": HERE,
    "supports_vision": HERE,
    "blocked": HERE,
    "base_model": "prices are written in the ModelBackend: there is no list of them here",
    "pricing_provider": "prices are written in the ModelBackend: there is no list of them here",
    "enable_tag_filtering": HERE,
    "tags": HERE,
    "rpm": HERE,
    "tpm": HERE,
    "tier": "write a rule by hand",
    "team_id": "keep others out with `pointsman key create --policy`",
    "team_public_model_name": "keep others out with `pointsman key create --policy`",
    "access_groups": "keep others out with `pointsman key create --policy`",
    "access_windows": "no hours of access",
    "litellm_provider": HERE,
    "description": HERE,
    "health_check_model": HEALTH,
    "health_check_timeout": HEALTH,
    "disable_background_health_check": HEALTH,
    "supported_environments": "apply the file where it shall hold",
    "db_model": HERE,
    "created_at": HERE,
    "created_by": HERE,
    "updated_at": HERE,
    "updated_by": HERE,
    "metadata": HERE,
}
INFO_PREFIXES: Final[Mapping[str, str]] = {
    "supports_": "what a model can are its capabilities: Tools and Vision are told apart",
    "supported_": "what is served is in docs/api.md",
    "ptu_": "use cost.replicaHour for what is paid by the hour and deployed here",
    "cost_per_ptu_": "use cost.replicaHour for what is paid by the hour and deployed here",
    "output_vector_size": "not needed: bodies are passed on as they come",
    "max_embedding_": "not needed: bodies are passed on as they come",
}
PRICES: Final[Mapping[str, str]] = {
    "input_cost_per_token": "inputPerMillion",
    "output_cost_per_token": "outputPerMillion",
    "cache_read_input_token_cost": "cachedInputPerMillion",
    "output_cost_per_reasoning_token": "reasoningPerMillion",
}
"""By the field of spec.cost."""
OTHER_PRICE: Final = "no such price: spec.cost has input, output, cached and reasoning tokens"
