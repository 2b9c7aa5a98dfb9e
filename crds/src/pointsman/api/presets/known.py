"""Presets as data: context window, capabilities and vLLM arguments, each with its source.

No value without a source; what could not be verified is left out and stays with the user. Sources
were read on 2026-11-23. `--trust-remote-code` is never preset: running foreign code is a decision.
"""

import re
from dataclasses import dataclass
from typing import Final

from pointsman.api.v1alpha1 import Capability, Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What holds for the models of a family whose name (after the last `/`) matches."""

    family: Family
    name: str
    matches: str
    """Regular expression, in lower case, for the beginning of the model's name."""
    context_window: int | None = None
    capabilities: tuple[Capability, ...] = ()
    vllm_args: tuple[str, ...] = ()
    sources: tuple[str, ...]


def _tools(parser: str) -> tuple[str, ...]:
    return ("--enable-auto-tool-choice", "--tool-call-parser", parser)


def _reasoning(parser: str) -> tuple[str, ...]:
    return ("--reasoning-parser", parser)


_TOOLS = (Capability.TOOLS,)
_TOOLS_AND_VISION = (Capability.TOOLS, Capability.VISION)
_TOOL_CALLING = "vLLM docs, features/tool_calling.md"
_REASONING_OUTPUTS = "vLLM docs, features/reasoning_outputs.md, Supported Models"

PRESETS: Final = (
    Preset(
        family=Family.QWEN,
        name="qwen3-coder",
        matches=r"qwen3-coder",
        context_window=262_144,
        capabilities=_TOOLS,
        # The docs say qwen3_xml; both names are one parser now, and this one is older (v0.10.0).
        vllm_args=_tools("qwen3_coder"),
        sources=(
            "vllm-project/recipes, Qwen/Qwen3-Coder-480B-A35B.md",
            "Model card Qwen3-Coder-30B-A3B-Instruct: Context Length: 262,144 natively",
            "vLLM source, vllm/tool_parsers/__init__.py: qwen3_coder and qwen3_xml",
        ),
    ),
    Preset(
        family=Family.QWEN,
        name="qwen3-instruct-2507",
        matches=r"qwen3-.*instruct-2507",
        # No reasoning parser: it answers without <think> blocks.
        context_window=262_144,
        sources=("Model card Qwen3-30B-A3B-Instruct-2507: 262,144 natively, non-thinking only",),
    ),
    Preset(
        family=Family.QWEN,
        name="qwen3",
        matches=r"qwen3-[0-9.]+b(-a[0-9.]+b)?(-fp8|-awq|-gptq.*)?$",
        context_window=32_768,
        capabilities=_TOOLS,
        vllm_args=(*_tools("hermes"), *_reasoning("qwen3")),
        sources=(
            _REASONING_OUTPUTS,
            "Qwen docs, framework/function_call.md, Qwen3-8B with vLLM: --tool-call-parser hermes",
            "OpenRouter, qwen/qwen3-8b: natively 32K, 131K only with YaRN",
        ),
    ),
    Preset(
        family=Family.QWEN,
        name="qwq",
        matches=r"qwq-32b$",
        capabilities=_TOOLS,
        vllm_args=(*_tools("hermes"), *_reasoning("deepseek_r1")),
        sources=(f"{_TOOL_CALLING}, Qwen Models", _REASONING_OUTPUTS),
    ),
    Preset(
        family=Family.QWEN,
        name="qwen2.5",
        matches=r"qwen2\.5-[0-9.]+b-instruct",
        capabilities=_TOOLS,
        vllm_args=_tools("hermes"),
        sources=(f"{_TOOL_CALLING}, Qwen Models: Qwen/Qwen2.5-*",),
    ),
    Preset(
        family=Family.DEEPSEEK,
        name="deepseek-v3.2",
        matches=r"deepseek-v3\.2",
        capabilities=_TOOLS,
        vllm_args=(
            "--tokenizer-mode",
            "deepseek_v32",
            *_tools("deepseek_v32"),
            *_reasoning("deepseek_v3"),
        ),
        sources=("vllm-project/recipes, DeepSeek/DeepSeek-V3_2.md",),
    ),
    Preset(
        family=Family.DEEPSEEK,
        name="deepseek-v3.1",
        matches=r"deepseek-v3\.1",
        context_window=131_072,
        capabilities=_TOOLS,
        # In vLLM its tool calls need a chat template file of the image: no arguments for them.
        vllm_args=_reasoning("deepseek_v3"),
        sources=(
            "OpenRouter, deepseek/deepseek-chat-v3.1: 131,072 context, structured tool calling",
            _REASONING_OUTPUTS,
            f"{_TOOL_CALLING}, DeepSeek-V3.1 Models: use with a chat template of vLLM's examples",
        ),
    ),
    Preset(
        family=Family.DEEPSEEK,
        name="deepseek-r1",
        matches=r"deepseek-r1",
        vllm_args=_reasoning("deepseek_r1"),
        sources=(_REASONING_OUTPUTS,),
    ),
    Preset(
        family=Family.GLM,
        name="glm-4.7",
        matches=r"glm-4\.7",
        capabilities=_TOOLS,
        vllm_args=(*_tools("glm47"), *_reasoning("glm45")),
        sources=("vllm-project/recipes, GLM/GLM.md", f"{_TOOL_CALLING}, GLM-4.7 Models"),
    ),
    Preset(
        family=Family.GLM,
        name="glm-4.6",
        matches=r"glm-4\.6(-fp8)?$",
        context_window=202_752,
        capabilities=_TOOLS,
        vllm_args=(*_tools("glm45"), *_reasoning("glm45")),
        sources=(
            f"{_TOOL_CALLING}, GLM-4.5 Models: zai-org/GLM-4.6",
            "vllm-project/recipes, GLM/GLM.md",
            "Xinference 2.10 docs, built-in model glm-4.6: Context Length: 202752",
        ),
    ),
    Preset(
        family=Family.GLM,
        name="glm-4.5",
        matches=r"glm-4\.5(-air)?(-fp8)?$",
        context_window=131_072,
        capabilities=_TOOLS,
        vllm_args=(*_tools("glm45"), *_reasoning("glm45")),
        sources=(
            f"{_TOOL_CALLING}, GLM-4.5 Models",
            "vllm-project/recipes, GLM/GLM.md: max is 128k",
            "Vercel AI Gateway docs, zai/glm-4.5: 131.1K tokens",
        ),
    ),
    Preset(
        family=Family.KIMI,
        name="kimi-k2.5",
        matches=r"kimi-k2\.[56]",
        context_window=262_144,
        capabilities=_TOOLS_AND_VISION,
        vllm_args=(*_tools("kimi_k2"), *_reasoning("kimi_k2")),
        sources=(
            "vllm-project/recipes, moonshotai/Kimi-K2.5.md: native multimodal",
            "Kimi-K2.6 docs/deploy_guidance.md: same architecture and deployment as K2.5",
            "promptfoo docs, providers/moonshot: kimi-k2.5 and kimi-k2.6, 256k context",
        ),
    ),
    Preset(
        family=Family.KIMI,
        name="kimi-k2-thinking",
        matches=r"kimi-k2-thinking",
        capabilities=_TOOLS,
        vllm_args=(*_tools("kimi_k2"), *_reasoning("kimi_k2")),
        sources=("vllm-project/recipes, moonshotai/Kimi-K2-Think.md",),
    ),
    Preset(
        family=Family.KIMI,
        name="kimi-k2-0905",
        matches=r"kimi-k2-instruct-0905",
        context_window=262_144,
        capabilities=_TOOLS,
        vllm_args=_tools("kimi_k2"),
        sources=(
            "vllm-project/recipes, moonshotai/Kimi-K2.md",
            "Novita model library, kimi-k2-0905: up to 256k tokens, extended from 128k",
        ),
    ),
    Preset(
        family=Family.KIMI,
        name="kimi-k2",
        matches=r"kimi-k2-instruct$",
        context_window=131_072,
        capabilities=_TOOLS,
        vllm_args=_tools("kimi_k2"),
        sources=(
            "vllm-project/recipes, moonshotai/Kimi-K2.md",
            "Vercel AI Gateway docs, moonshotai/kimi-k2: 131.1K tokens",
        ),
    ),
)


def preset_for(family: Family, model: str) -> Preset | None:
    """The first preset of the family that knows the model; None when nothing is known."""
    name = model.rsplit("/", 1)[-1].lower()
    return next(
        (p for p in PRESETS if p.family is family and re.match(p.matches, name) is not None), None
    )
