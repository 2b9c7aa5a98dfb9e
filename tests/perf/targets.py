"""What the router may cost, and whether it does: a target beside its value, met, missed or unknown.

Pure. The numbers are those that this project set itself: ratios, since they hold on any machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.perf.figures import REST, Row, number

PLAIN = ("plain", "compiled-plain", "image-plain")
TASKS = ("tasks", "compiled-tasks", "image-tasks")


@dataclass(frozen=True, slots=True)
class Target:
    """The figure `name` of a load's row is at most this; `scale` turns it into what is shown."""

    what: str
    proxies: tuple[str, ...]
    load: str
    name: str
    most: float
    scale: float = 1.0


TARGETS = (
    Target("CPU at c32, times nginx", PLAIN, "c32", "x_nginx", 2.0),
    Target("CPU at c32, times the best AI peer", PLAIN, "c32", "x_ai", 0.75),
    Target("CPU at c32, times LiteLLM", PLAIN, "c32", "x_litellm", 0.005),
    Target("added p50 at c1, times nginx's", PLAIN, "c1", "added_p50_x_nginx", 1.25),
    Target("added p99 at r500, times nginx's", PLAIN, "r500", "added_p99_x_nginx", 1.5),
    Target("CPU at c32, times sglang-router", TASKS, "c32", "x_sglang-router", 2.5),
    Target("CPU of a chunk at s256, times nginx", PLAIN, "s256", "x_nginx", 1.3),
    Target("CPU of a chunk at s1000, times nginx", PLAIN, "s1000", "x_nginx", 1.3),
    Target("added ms to first token at s256, p50", PLAIN, "s256", "added_p50_us", 0.5, 1e-3),
    Target("added ms to first token at s1000, p50", PLAIN, "s1000", "added_p50_us", 1.5, 1e-3),
    Target("idle RSS, MiB", PLAIN, REST, "rss_mib", 45.0),
    Target("1,000 silent streams, MiB of RSS", PLAIN, REST, "rss_mib_1000", 10.0),
    Target("start to first answer, s", PLAIN, REST, "start_s", 0.5),
    Target("ms a 200,000-token prompt adds to others' p99", PLAIN + TASKS, "long", "beside_p99_us",
           5.0, 1e-3),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` is None if it was not measured, or if what it is compared with was not."""

    target: Target
    proxy: str
    value: float | None

    @property
    def said(self) -> str:
        """met, MISSED or not measured."""
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.target.most else "MISSED"


def verdicts(table: Sequence[Row], proxies: Sequence[str]) -> list[Verdict]:
    """Of each target for each proxy of ours that was asked for; a row with errors is no value."""
    by = {(row["load"], row["proxy"]): row for row in table if not row["errors"]}
    found = []
    for target in TARGETS:
        for proxy in target.proxies:
            if proxy in proxies:
                value = number(by.get((target.load, proxy), {}), target.name)
                shown = None if value is None else value * target.scale
                found.append(Verdict(target, proxy, shown))
    return found
