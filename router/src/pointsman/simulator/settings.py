"""Everything that can be set about one simulated model, and how the flags say it.

Guarantees that a `Settings` value is valid: shares in [0, 1], times not negative, limits at least
1. Refuses anything else with a message that names the flag. Times are seconds before `time_scale`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

TASKS = ("Chat", "Coding", "Reasoning", "Multilingual", "Document", "LongContext")
DEFAULT_QUALITY = 0.8

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration_s(text: str) -> float:
    """Seconds of a duration such as `200ms`, `1.5s`, `2m` or `0`. ValueError for anything else."""
    if text == "0":
        return 0.0
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration; write it as 200ms, 1.5s or 2m")
    return float(found[1]) * _UNIT_S[found[2]]


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulated model. `tokens_per_second` 0 means unlimited; `quality` is a share per task."""

    model: str
    host: str = "0.0.0.0"  # noqa: S104 - a container's server has to be reachable from outside it
    port: int = 8000
    ttft_s: float = 0.2
    tokens_per_second: float = 50.0
    output_tokens: int = 64
    max_concurrency: int = 8
    max_queue: int = 1024
    error_rate: float = 0.0
    quality: Mapping[str, float] = field(default_factory=dict)
    context_window: int = 32_768
    api_key: str | None = field(default=None, repr=False)
    load_time_s: float = 0.0
    drain_s: float = 10.0
    tls_cert: str | None = None
    tls_key: str | None = None
    time_scale: float = 1.0
    control: bool = False
    strict_model: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """ValueError where a value means nothing."""
        if not self.model or any(c.isspace() for c in self.model) or not self.model.isprintable():
            raise ValueError("--model must be a name without spaces")
        for name in ("output_tokens", "max_concurrency", "context_window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{_flag(name)} must be at least 1")
        for name in ("ttft_s", "tokens_per_second", "max_queue", "load_time_s", "drain_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{_flag(name)} must not be negative")
        if not 0 < self.time_scale < float("inf"):
            raise ValueError("--time-scale must be over 0")
        if not 0 <= self.port <= 65_535:
            raise ValueError("--port must be between 0 and 65535")
        if not 0 <= self.error_rate <= 1:
            raise ValueError("--error-rate must be between 0 and 1")
        self._check_quality()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together")

    def _check_quality(self) -> None:
        for task, share in self.quality.items():
            if task not in TASKS:
                raise ValueError(f"--quality: unknown task {task!r}; known: {', '.join(TASKS)}")
            if not 0 <= share <= 1:
                raise ValueError(f"--quality: the share of {task} must be between 0 and 1")

    def quality_of(self, task: str) -> float:
        """The declared share of right answers for `task`."""
        return self.quality.get(task, DEFAULT_QUALITY)

    def fingerprint(self) -> str:
        """`sim-<hash>` of model, quality and seed: changes when what the model knows changes."""
        shares = ",".join(f"{task}={self.quality_of(task)}" for task in TASKS)
        text = f"{self.model}|{shares}|{self.seed}"
        return "sim-" + hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _flag(name: str) -> str:
    return "--" + name.removesuffix("_s").replace("_", "-")


def _quality(text: str) -> tuple[str, float]:
    task, equals, share = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not TASK=SHARE")
    return task, float(share)


def _duration(text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman-simulator",
        description="An OpenAI-compatible model server that stands in for a model.",
    )
    flag = parser.add_argument
    flag("--model", required=True, help="the name the model answers with")
    flag("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - see Settings
    flag("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    flag("--ttft", type=_duration, default=0.2, metavar="TIME", help="time to first token, 200ms")
    flag("--tokens-per-second", type=float, default=50.0, metavar="N", help="0: unlimited")
    flag("--output-tokens", type=int, default=64, metavar="N", help="length of an answer")
    flag("--max-concurrency", type=int, default=8, metavar="N", help="requests at a time")
    flag("--max-queue", type=int, default=1024, metavar="N", help="requests that may wait")
    flag("--error-rate", type=float, default=0.0, metavar="SHARE", help="share answered with 500")
    flag("--quality", type=_quality, action="append", default=[], metavar="TASK=SHARE",
         help=f"declared share of right answers, {DEFAULT_QUALITY} where not given; repeatable; "
              f"tasks: {', '.join(TASKS)}")  # fmt: skip
    flag("--context-window", type=int, default=32_768, metavar="TOKENS", help="prompt + output")
    flag("--api-key", metavar="KEY", help="answer 401 to requests without this bearer")
    flag("--load-time", type=_duration, default=0.0, metavar="TIME", help="not ready before")
    flag("--drain", type=_duration, default=10.0, metavar="TIME", help="to finish after SIGTERM")
    flag("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate")
    flag("--tls-key", metavar="FILE", help="the certificate's key")
    flag("--time-scale", type=float, default=1.0, metavar="N",
         help="divide ttft, load time and fault delays, multiply speed; not --drain")  # fmt: skip
    flag("--control", action="store_true", help="serve /simulator/requests, faults and settings")
    flag("--strict-model", action="store_true", help="404 for another model's name, like vLLM")
    flag("--seed", type=int, default=0, metavar="N", help="chooses which requests fail")
    return parser


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """The settings the flags say. Exits with status 2 and a message where they say nothing."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    for name in ("ttft", "load_time", "drain"):
        given[f"{name}_s"] = given.pop(name)
    given["quality"] = dict(given["quality"])
    assert given.keys() == {f.name for f in fields(Settings)}
    try:
        return Settings(**given)
    except ValueError as error:
        parser.error(str(error))
