"""PURE: LiteLLM's timeouts as those of a route, which are of every request that it gets.

Guarantees that no answer is cut which LiteLLM would have let come. Sources: LiteLLM's docs,
proxy/timeout (`timeout` is of a whole answer, `stream_timeout` of a stream's first piece), and the
default of its Router and of request_timeout.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.cli.migration.reading import Config, Deployment
from pointsman.cli.migration.rules import number

_LONGEST_S: Final = 86_400.0
_NO_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Times:
    """Of a route, as its fields have them; `request` is the chain's deadline as well."""

    first_token: str
    request: str
    said: tuple[str, ...]

    def spec(self) -> Mapping[str, str]:
        """spec.default.timeouts, or a rule's."""
        return {"firstToken": self.first_token, "request": self.request}


@dataclass(frozen=True, slots=True)
class _Wait:
    """Of one model; None where nothing is set."""

    whole_s: float | None
    stream_s: float | None

    @property
    def longest_s(self) -> float:
        return self.whole_s or _NO_TIMEOUT_S

    @property
    def first_s(self) -> float:
        return self.stream_s or self.longest_s


def times(
    config: Config, group: Sequence[Deployment], tried: Sequence[Deployment], *, goes_on: bool
) -> Times:
    """
    Of a group, and of all models that one request may meet, each once.

    `goes_on`: who gives no first token in time is left for the next, streamed or not.
    """
    waits = [_wait(config, one) for one in group]
    each_s = max((one.longest_s for one in waits), default=_NO_TIMEOUT_S)
    first_s = max((one.first_s for one in waits), default=each_s)
    others = [_wait(config, one) for one in tried]
    said = []
    if len({*waits, *others}) > 1:
        said.append("the models have several timeouts: the longest is here")
    if any(one.whole_s is None for one in waits):
        said.append("no timeout is set: LiteLLM would wait for up to 6000 s")
    if len(others) > 1:
        said.append("LiteLLM's timeout is of each attempt, and these of the first token and of all")
    if first_s < each_s and goes_on:
        said.append(
            f"stream_timeout ({_duration(first_s)}) is left out: LiteLLM's is of streams alone, "
            "firstToken of whole answers, too, where another model may answer instead: a longer "
            "one would be given up, and paid twice"
        )
        first_s = each_s
    if first_s > each_s:
        said.append("stream_timeout is longer than timeout: what is no stream waits as long here")
    total_s = sum(max(one.longest_s, first_s) for one in others) or first_s
    return Times(
        _duration(min(first_s, _LONGEST_S)), _duration(min(total_s, _LONGEST_S)), tuple(said)
    )


def _wait(config: Config, one: Deployment) -> _Wait:
    return _Wait(
        _seconds(config, one, "timeout", ("timeout", "request_timeout")),
        _seconds(config, one, "stream_timeout", ("stream_timeout",)),
    )


def _seconds(config: Config, one: Deployment, own: str, settings: Sequence[str]) -> float | None:
    """The model's own, else the first that is set for all."""
    given = (config.routing(key) for key in settings)
    said = next((number(value) for value in given if value is not None), None)
    return number(one.params.get(own)) or said or None


def _duration(seconds: float) -> str:
    if seconds != int(seconds):
        milliseconds = max(1, round(seconds * 1000))
        return f"{milliseconds}ms" if milliseconds < 100_000 else f"{math.ceil(seconds)}s"
    whole = int(seconds)
    return f"{whole // 60}m" if whole >= 60 and whole % 60 == 0 else f"{max(1, whole)}s"
