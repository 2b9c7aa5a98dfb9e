"""A spec with its gaps filled: the user's value first, then the engine's own flag, then the preset.

Pure. A flag that is given and cannot be read leaves a gap: the preset's value is not the server's.
Tools are claimed for a vLLM deployment only when its arguments name a tool-call parser,
because vLLM answers 400 to a request with tools without one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.api.presets.known import Preset, preset_for
from pointsman.api.v1alpha1 import Capability, Engine, ModelBackendSpec

_WINDOW_FLAGS: Final = {
    Engine.VLLM: ("--max-model-len",),
    Engine.SGLANG: ("--context-length",),
    Engine.SIMULATOR: ("--context-window",),
    Engine.LLAMA_CPP: ("--ctx-size", "-c"),
}
_SLOTS: Final = ("--parallel", "-np")
_ONE_CACHE: Final = ("--kv-unified", "-kvu")
_A_CACHE_EACH: Final = ("--no-kv-unified", "-no-kvu")
"""llama-server's: a slot has the whole context of one cache, or its share. Without a word there is
one cache if and only if the number of slots is its own choice (-1)."""
_CONCURRENCY_FLAGS: Final = {
    Engine.VLLM: ("--max-num-seqs",),
    Engine.SGLANG: ("--max-running-requests",),
    Engine.LLAMA_CPP: _SLOTS,
    Engine.SIMULATOR: ("--max-concurrency",),
}
"""Only what is said counts: vLLM's and SGLang's defaults follow from the GPU and the version,
llama-server's is -1, which means auto."""
_SEVERAL_ENGINES: Final = ("--data-parallel-size", "-dp")
"""vLLM's --max-num-seqs is then of each of them."""
_PARSER_FLAG: Final = "--tool-call-parser"
_PLAIN: Final = re.compile("[0-9]{1,9}")
_HUMAN: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([kmg])|([0-9]{1,9})([KMG])")
_UNITS: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
"""vLLM's human_readable_int: `32k` is 32000, `32K` is 32768, `25.6k` is 25600."""


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
    known = preset.context_window if preset else None
    if spec.deployment is None:
        return known
    args, engine = spec.deployment.args, spec.deployment.engine
    given = _value(args, _WINDOW_FLAGS.get(engine, ()))
    if engine is Engine.LLAMA_CPP:
        whole = known if given is None or given == "0" else _number(given)  # 0: the model's own
        return _of_a_slot(args, whole)
    if given is None:
        return known
    return _human(given) if engine is Engine.VLLM else _number(given)


def _of_a_slot(args: Sequence[str], whole: int | None) -> int | None:
    """Of llama-server's whole context what one request can have."""
    count = _shares(args)
    return whole // count if whole and count else None


def context_of_slots(args: Sequence[str], window: int) -> int:
    """What llama-server's whole context has to be, so that each slot has `window` of it."""
    return window * (_shares(args) or 1)


def _shares(args: Sequence[str]) -> int | None:
    """Among how many slots the context is divided; None: that cannot be read."""
    slots = _value(args, _SLOTS)
    one_cache = slots is None or slots == "-1"
    for arg in args:
        if _flag(arg) in (*_ONE_CACHE, *_A_CACHE_EACH):
            one_cache = _flag(arg) in _ONE_CACHE
    return 1 if one_cache else _number(slots or "")


def _max_concurrent(spec: ModelBackendSpec) -> int | None:
    """What the spec says, else the engine's own flag."""
    if spec.max_concurrent_requests is not None or spec.deployment is None:
        return spec.max_concurrent_requests
    args, engine = spec.deployment.args, spec.deployment.engine
    if engine is Engine.VLLM and _value(args, _SEVERAL_ENGINES):
        return None
    return _number(_value(args, _CONCURRENCY_FLAGS.get(engine, ())) or "")


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


def _number(text: str) -> int | None:
    """A plain number above 0."""
    return (int(text) or None) if _PLAIN.fullmatch(text) else None


def _human(text: str) -> int | None:
    """A number as vLLM reads one; None for `auto`, and for what it refuses."""
    found = _HUMAN.fullmatch(text.strip())
    if found is None:
        return _number(text.strip())
    number, unit = found[1] or found[3], found[2] or found[4]
    return int(float(number) * _UNITS[unit]) or None


def _value(args: Sequence[str], flags: Sequence[str]) -> str | None:
    """The last value given for a flag by any of its names; "" without a value, None: not given."""
    found = None
    for i, arg in enumerate(args):
        if _flag(arg) in flags:
            after = args[i + 1] if i + 1 < len(args) else ""
            found = arg.partition("=")[2] if "=" in arg else after
    return found
