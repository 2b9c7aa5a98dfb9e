"""A spec with its gaps filled: the user's value first, then the engine's own flag, then the preset.

Pure. Tools are claimed for a vLLM deployment only when its arguments name a tool-call parser,
because vLLM answers 400 to a request with tools without one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.api.presets.known import Preset, preset_for
from pointsman.api.v1alpha1 import Capability, Engine, ModelBackendSpec

_WINDOW_FLAGS: Final = {
    Engine.VLLM: "--max-model-len",
    Engine.SGLANG: "--context-length",
    Engine.SIMULATOR: "--context-window",
}
_CONCURRENCY_FLAGS: Final = {
    Engine.VLLM: ("--max-num-seqs",),
    Engine.SGLANG: ("--max-running-requests",),
    Engine.LLAMA_CPP: ("--parallel", "-np"),
    Engine.SIMULATOR: ("--max-concurrency",),
}
"""Only what is said counts: vLLM's and SGLang's defaults follow from the GPU and the version,
llama-server's is -1, which means auto."""
_SEVERAL_ENGINES: Final = ("--data-parallel-size", "-dp")
"""vLLM's --max-num-seqs is then of each of them."""
_PARSER_FLAG: Final = "--tool-call-parser"


@dataclass(frozen=True, slots=True)
class EffectiveBackend:
    """What the operator deploys and the router assumes."""

    context_window: int | None
    capabilities: tuple[Capability, ...]
    max_concurrent: int | None
    """Requests that one server, or an external API, works on at once."""
    engine_args: tuple[str, ...]
    """The preset's arguments, then the user's; without those that the operator itself adds."""
    preset: str | None = None
    """Name of the preset that was found, also if nothing of it was needed."""


def effective(spec: ModelBackendSpec) -> EffectiveBackend:
    """Fill what the spec leaves out; what it says is never changed."""
    preset = preset_for(spec.family, spec.model)
    args = _engine_args(spec, preset)
    return EffectiveBackend(
        context_window=_context_window(spec, preset),
        capabilities=_capabilities(spec, preset, args),
        max_concurrent=_max_concurrent(spec),
        engine_args=args,
        preset=preset.name if preset else None,
    )


def _engine_args(spec: ModelBackendSpec, preset: Preset | None) -> tuple[str, ...]:
    if spec.deployment is None:
        return ()
    own = tuple(spec.deployment.args)
    if preset is None or spec.deployment.engine is not Engine.VLLM:
        return own
    taken = {_flag(arg) for arg in own if arg.startswith("--")}
    kept = [group for group in _groups(preset.vllm_args) if _flag(group[0]) not in taken]
    return (*(arg for group in kept for arg in group), *own)


def _context_window(spec: ModelBackendSpec, preset: Preset | None) -> int | None:
    if spec.context_window is not None:
        return spec.context_window
    if spec.deployment is not None and spec.deployment.engine in _WINDOW_FLAGS:
        given = _number(spec.deployment.args, _WINDOW_FLAGS[spec.deployment.engine])
        if given is not None:
            return given
    return preset.context_window if preset else None


def _max_concurrent(spec: ModelBackendSpec) -> int | None:
    """What the spec says, else the engine's own flag."""
    if spec.max_concurrent_requests is not None or spec.deployment is None:
        return spec.max_concurrent_requests
    args, engine = spec.deployment.args, spec.deployment.engine
    if engine is Engine.VLLM and any(_value(args, flag) for flag in _SEVERAL_ENGINES):
        return None
    found = (_number(args, flag) for flag in _CONCURRENCY_FLAGS.get(engine, ()))
    return next((number for number in found if number), None)


def _capabilities(
    spec: ModelBackendSpec, preset: Preset | None, args: Sequence[str]
) -> tuple[Capability, ...]:
    if spec.capabilities is not None:
        return tuple(spec.capabilities)
    known = preset.capabilities if preset else ()
    if spec.deployment is not None and spec.deployment.engine is Engine.VLLM:
        flags = {_flag(arg) for arg in args if arg.startswith("--")}
        return tuple(c for c in known if c is not Capability.TOOLS or _PARSER_FLAG in flags)
    return known


def _flag(argument: str) -> str:
    """`--tool_call_parser=x` is the flag `--tool-call-parser`, to vLLM too."""
    return argument.partition("=")[0].replace("_", "-")


def _groups(args: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each flag with the values that follow it."""
    group: list[str] = []
    for arg in args:
        if arg.startswith("--") and group:
            yield tuple(group)
            group = []
        group.append(arg)
    if group:
        yield tuple(group)


def _number(args: Sequence[str], flag: str) -> int | None:
    """The last value given for a flag, if it is a plain number."""
    given = _value(args, flag)
    return int(given) if given is not None and given.isascii() and given.isdigit() else None


def _value(args: Sequence[str], flag: str) -> str | None:
    """The last value given for a flag, as `--flag value` or `--flag=value`."""
    found = None
    for i, arg in enumerate(args):
        if _flag(arg) == flag:
            after = args[i + 1] if i + 1 < len(args) else None
            found = arg.partition("=")[2] if "=" in arg else after
    return found
