"""What applying a profile costs: `python -m tests.perf.profiles` prints microseconds an attempt."""

import json
import timeit
from typing import Any, Final

from pointsman.api.presets import PROFILES
from pointsman.api.profile import Parameter, Profile
from pointsman.router.wire.profile import apply

_TIMES: Final = 2000
_ROUNDS: Final = 7
_TEXT: Final = "The customer asks why the invoice of last month is higher than the one before. "
EVERYTHING: Final = Profile(
    prefix="x" * 500,
    developer="system",
    parameters=(
        Parameter(name="temperature", default="0.6", max="1"),
        Parameter(name="max_completion_tokens", rename="max_tokens", max="1024"),
        Parameter(name="logprobs", remove=True),
    ),
    stop=("<end>",),
    form="EnableThinkingKwarg",
    thinking=False,
)


def chat(role: str = "system", turns: int = 10) -> bytes:
    """A conversation of a few hundred bytes a message."""
    messages: list[dict[str, Any]] = [{"role": role, "content": _TEXT * 6}] if turns else []
    for _ in range(turns):
        messages.append({"role": "user", "content": _TEXT * 3})
        messages.append({"role": "assistant", "content": _TEXT * 5})
    messages.append({"role": "user", "content": _TEXT})
    length = {"max_completion_tokens": 512}
    return json.dumps({"model": "m", "messages": messages, "temperature": 0.7, **length}).encode()


def main() -> None:
    """The best of some rounds each."""
    presets = {one.name: one.profile for one in PROFILES}
    for name, body, profile in (
        ("a preset finds nothing", chat(), presets["qwen3-switchable"]),
        ("a preset renames a role", chat("developer"), presets["qwen3-switchable"]),
        ("role, length, 10 times reasoning", chat("developer"), presets["deepseek-v4-api"]),
        ("everything", chat("developer"), EVERYTHING),
        ("a preset finds nothing in one message", chat(turns=0), presets["qwen3-switchable"]),
        ("everything in one message", chat(turns=0), EVERYTHING),
    ):
        timer = timeit.Timer(lambda body=body, profile=profile: apply(body, profile))  # type: ignore[misc]
        best = min(timer.repeat(_ROUNDS, _TIMES)) / _TIMES * 1e6
        print(f"{best:6.1f} µs  {len(body):6,} bytes  {name}")


if __name__ == "__main__":
    main()
