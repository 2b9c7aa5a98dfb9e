"""Prompt profiles of the families as data, each with its source, and specs filled with them.

No value without a source; sources were read on 2026-11-26. Where the engine or the provider is not
known, nothing is assumed that only one of them understands.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pointsman.api.hosts import host_of
from pointsman.api.profile import Form, Parameter, Profile
from pointsman.api.v1alpha1 import Engine, Family, ModelBackendSpec
from pointsman.api.v1alpha1.promptprofile import (
    DeveloperRole,
    ProfileParameter,
    ProfilePreset,
    PromptProfile,
    ReasoningContent,
    SystemRole,
    ThinkingDefault,
)

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TEMPLATES: Final = frozenset({Engine.VLLM, Engine.SGLANG})
"""Servers that hand chat_template_kwargs to the model's own template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOf:
    """What holds for models of a family on these engines, or behind these hosts."""

    name: str
    families: tuple[Family, ...]
    matches: str = ""
    """Regular expression, in lower case, for the beginning of the model's name."""
    engines: frozenset[Engine] = frozenset()
    hosts: tuple[str, ...] = ()
    """Ends of host names; with engines, either."""
    anywhere: bool = False
    """Also where the engine or the provider is not known."""
    profile: Profile
    sources: tuple[str, ...]


_DEVELOPER = (
    "sgl-project/sglang#40082: templates without the role developer leave its message out",
    "vllm-project/vllm#42407: Unexpected message role, with Qwen's template",
)
_DEEPSEEK_DOCS = "DeepSeek API docs, guides/thinking_mode"
_KIMI_DOCS = "Kimi API docs, models-overview"
_DEEPSEEK_ROLES = (
    "earendil-works/pi#1048, DeepSeek API: unknown variant developer, expected one of system, "
    "user, assistant, tool"
)
_FILL = (
    (
        "earendil-works/pi#3640, DeepSeek V4: all assistant messages need reasoning_content when a "
        "conversation comes from another model"
    ),
    "NousResearch/hermes-agent#17341: it refuses an empty one and takes a space",
)
_DEEPSEEK_API = ("api.deepseek.com",)
_KIMI_API = ("api.moonshot.ai", "api.moonshot.cn")
_OUTPUT = Parameter(name="max_completion_tokens", rename="max_tokens")

PROFILES: Final = (
    ProfileOf(
        name="deepseek-r1",
        families=(Family.DEEPSEEK,),
        matches=r"deepseek-r1",
        anywhere=True,
        profile=Profile(developer="user", system="user", reasoning="Drop"),
        sources=(
            (
                "Model card DeepSeek-R1, Usage Recommendations: avoid adding a system prompt, all "
                "instructions should be contained within the user prompt"
            ),
            (
                "DeepSeek API docs, guides/reasoning_model: earlier reasoning is not put "
                "into the context, and sending it is answered with 400"
            ),
        ),
    ),
    ProfileOf(
        name="deepseek-reasoner-api",
        families=(Family.DEEPSEEK,),
        matches=r"deepseek-reasoner",
        hosts=_DEEPSEEK_API,
        profile=Profile(
            developer="system",
            parameters=(
                _OUTPUT,
                Parameter(name="logprobs", remove=True),
                Parameter(name="top_logprobs", remove=True),
            ),
        ),
        sources=(
            f"{_DEEPSEEK_DOCS}: input max_tokens; logprobs and top_logprobs trigger an error",
            _DEEPSEEK_ROLES,
        ),
    ),
    ProfileOf(
        name="deepseek-v4-api",
        families=(Family.DEEPSEEK,),
        matches=r"deepseek-v4",
        hosts=_DEEPSEEK_API,
        profile=Profile(
            developer="system", parameters=(_OUTPUT,), form="ThinkingType", reasoning="Fill"
        ),
        sources=(
            (
                f"{_DEEPSEEK_DOCS}: thinking.type; input max_tokens; the reasoning of turns with "
                "tool calls must be passed back"
            ),
            _DEEPSEEK_ROLES,
            *_FILL,
        ),
    ),
    ProfileOf(
        name="deepseek-api",
        families=(Family.DEEPSEEK,),
        hosts=_DEEPSEEK_API,
        profile=Profile(developer="system", parameters=(_OUTPUT,), form="ThinkingType"),
        sources=(f"{_DEEPSEEK_DOCS}: thinking.type; input max_tokens", _DEEPSEEK_ROLES),
    ),
    ProfileOf(
        name="deepseek-v3.1",
        families=(Family.DEEPSEEK,),
        matches=r"deepseek-v3\.1",
        engines=_TEMPLATES,
        profile=Profile(developer="system", form="ThinkingKwarg"),
        sources=(
            "vllm-project/recipes, DeepSeek/DeepSeek-V3_1.md: chat_template_kwargs thinking",
            *_DEVELOPER,
        ),
    ),
    ProfileOf(
        name="qwen3-switchable",
        families=(Family.QWEN,),
        matches=r"qwen3-[0-9.]+b(-a[0-9.]+b)?(-fp8|-awq|-gptq.*)?$|qwen3\.[5-9]",
        engines=_TEMPLATES,
        profile=Profile(developer="system", form="EnableThinkingKwarg"),
        sources=(
            "vLLM docs, features/reasoning_outputs: enable_thinking=False in chat_template_kwargs",
            *_DEVELOPER,
        ),
    ),
    ProfileOf(
        name="qwen-model-studio",
        families=(Family.QWEN, Family.GLM),
        hosts=("aliyuncs.com",),
        profile=Profile(form="EnableThinking"),
        sources=(
            (
                "Alibaba Cloud Model Studio docs, deep-thinking: enable_thinking, no parameter of "
                "OpenAI's; the same for glm-5"
            ),
        ),
    ),
    ProfileOf(
        name="glm-api",
        families=(Family.GLM,),
        hosts=("api.z.ai", "open.bigmodel.cn"),
        profile=Profile(form="ThinkingType"),
        sources=(
            (
                "Z.ai docs, guides/capabilities/thinking-mode: thinking.type; the reasoning "
                "is to be returned with the results of tools"
            ),
        ),
    ),
    ProfileOf(
        name="glm-switchable",
        families=(Family.GLM,),
        matches=r"glm-(4\.[5-7]|5)",
        engines=_TEMPLATES,
        profile=Profile(developer="system", form="EnableThinkingKwarg"),
        sources=(
            "vllm-project/recipes, GLM/GLM5.md: chat_template_kwargs enable_thinking",
            "zai-org/GLM-V#138: the same for GLM-4.5V on vLLM",
            *_DEVELOPER,
        ),
    ),
    ProfileOf(
        name="kimi-k2.5-api",
        families=(Family.KIMI,),
        matches=r"kimi-k2\.[56]",
        hosts=_KIMI_API,
        profile=Profile(
            parameters=(
                *(
                    Parameter(name=name, remove=True)
                    for name in ("temperature", "top_p", "n", "presence_penalty")
                ),
                Parameter(name="frequency_penalty", remove=True),
                Parameter(name="reasoning_effort", remove=True),
            ),
            form="ThinkingType",
            reasoning="Fill",
        ),
        sources=(
            f"{_KIMI_DOCS}: thinking.type; temperature, top_p, n and penalties cannot be modified",
            "HKUDS/nanobot#3939: cannot specify both thinking and reasoning_effort",
            (
                "continuedev/continue#11600: thinking is enabled but reasoning_content is missing "
                "in assistant tool call message"
            ),
            "charmbracelet/crush#2696: an empty one is refused, a space is taken",
        ),
    ),
    ProfileOf(
        name="kimi-k2-thinking-api",
        families=(Family.KIMI,),
        matches=r"kimi-k2-thinking",
        hosts=_KIMI_API,
        profile=Profile(reasoning="Fill"),
        sources=(
            "Kimi API docs, guide/use-kimi-k2-thinking-model: always thinks, without a parameter",
            "charmbracelet/crush#2696: all assistant messages need reasoning_content",
        ),
    ),
    ProfileOf(
        name="kimi-k2.5",
        families=(Family.KIMI,),
        matches=r"kimi-k2\.[56]",
        engines=_TEMPLATES,
        profile=Profile(developer="system", form="ThinkingKwarg"),
        sources=(
            "SGLang docs, basic_usage/kimi_k2_5: chat_template_kwargs.thinking=false",
            *_DEVELOPER,
        ),
    ),
    ProfileOf(
        name="templates",
        families=(Family.QWEN, Family.DEEPSEEK, Family.GLM, Family.KIMI),
        engines=_TEMPLATES | {Engine.LLAMA_CPP},
        profile=Profile(developer="system"),
        sources=(*_DEVELOPER, "ggml-org/llama.cpp#20215: map developer role to system"),
    ),
)
"""The first that fits holds."""


def preset_profile(spec: ModelBackendSpec) -> ProfileOf | None:
    """What is known of the backend; None if nothing."""
    name = spec.model.rsplit("/", 1)[-1].lower()
    engine = spec.deployment.engine if spec.deployment else None
    host = host_of(spec.external.url) if spec.external else None
    for one in PROFILES:
        if spec.family not in one.families or re.match(one.matches, name) is None:
            continue
        hosted = host is not None and any(_under(end, host) for end in one.hosts)
        if one.anywhere or engine in one.engines or hosted:
            return one
    return None


def _under(end: str, host: str) -> bool:
    return host == end or host.endswith(f".{end}")


def profile_of(spec: ModelBackendSpec) -> Profile | None:
    """The preset with the spec's own fields in their place; None if nothing is changed."""
    own = spec.prompt_profile or PromptProfile()
    known = preset_profile(spec) if own.preset is ProfilePreset.FAMILY else None
    base = known.profile if known else Profile()
    system, roles, thinking = own.system, own.roles, own.thinking
    found = Profile(
        prefix=(system and system.prefix) or "",
        suffix=(system and system.suffix) or "",
        replacement=(system and system.replacement) or "",
        developer=_developer(roles.developer if roles else None, base),
        system=_system(roles.system if roles else None, base),
        parameters=_parameters(own.parameters, base.parameters),
        stop=tuple(own.stop),
        form=_form(own, base),
        thinking=thinking.default is ThinkingDefault.ENABLED
        if thinking and thinking.default
        else None,
        reasoning=_reasoning(own.reasoning_content, base),
    )
    return found if found != Profile() else None


def _developer(own: DeveloperRole | None, base: Profile) -> Literal["", "system", "user"]:
    if own is None:
        return base.developer
    return {DeveloperRole.SYSTEM: "system", DeveloperRole.USER: "user"}.get(own, "")  # type: ignore[return-value]


def _system(own: SystemRole | None, base: Profile) -> Literal["", "user"]:
    if own is None:
        return base.system
    return "user" if own is SystemRole.USER else ""


def _form(own: PromptProfile, base: Profile) -> Form:
    return own.thinking.form.value if own.thinking else base.form


def _reasoning(own: ReasoningContent | None, base: Profile) -> Literal["", "Drop", "Fill"]:
    if own is None:
        return base.reasoning
    return {ReasoningContent.DROP: "Drop", ReasoningContent.FILL: "Fill"}.get(own, "")  # type: ignore[return-value]


def _parameters(
    own: Sequence[ProfileParameter], base: tuple[Parameter, ...]
) -> tuple[Parameter, ...]:
    """Those of the preset that no parameter of the spec is about, then the spec's."""
    mine = {name for one in own for name in (one.name, one.rename_to) if name is not None}
    names = {one.name for one in own}
    kept = [one for one in base if one.name not in mine and one.rename not in mine - names]
    return (*kept, *map(_parameter, own))


def _parameter(one: ProfileParameter) -> Parameter:
    return Parameter(
        name=one.name,
        rename=one.rename_to or "",
        remove=bool(one.remove),
        default="" if one.default is None else _json(one.default),
        min=_plain(one.min),
        max=_plain(one.max),
    )


def _json(text: str) -> str:
    if text in ("true", "false"):
        return text
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return text
    return json.dumps(text, ensure_ascii=False)


def _plain(number: str | None) -> str:
    """As JSON writes it: 007 is 7."""
    if number is None:
        return ""
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    whole, dot, rest = digits.partition(".")
    return f"{sign}{int(whole)}{dot}{rest}"
