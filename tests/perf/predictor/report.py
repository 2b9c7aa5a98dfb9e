"""All tables, and which targets they reach."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np

from tests.perf.predictor import baselines, fleet, outside, timing
from tests.perf.predictor.data import ARTEFACTS, Rows, mix, routellm
from tests.perf.predictor.metrics import Routed
from tests.perf.predictor.protocol import (
    ASKED,
    Setting,
    each,
    eight_parts,
    left_out,
    run,
)


@dataclass(frozen=True, slots=True)
class Target:
    """One number that was asked for."""

    name: str
    value: float
    minimum: float
    aim: float
    less_is_better: bool = False

    def verdict(self) -> str:
        """In a word."""
        sign = -1 if self.less_is_better else 1
        if sign * self.value >= sign * self.aim:
            return "aim"
        return "minimum" if sign * self.value >= sign * self.minimum else "MISSED"


@dataclass(slots=True)
class Report:
    """Lines of Markdown and the figures of them."""

    lines: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    off_share: dict[tuple[str, str], float] = field(default_factory=dict)
    """Mean distance of the realized share from the one that was asked for, in points."""

    def say(self, *lines: str) -> None:
        """Print now and keep."""
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def row(self, table: str, name: str, found: Sequence[Routed]) -> Routed:
        """Add a row; return the means."""
        values = {key: np.array([getattr(one, key) for one in found]) for key in _KEYS}
        mean = {key: float(each.mean()) for key, each in values.items()}
        apgr = values["apgr"]
        tenth = float(np.quantile(apgr, 0.1))
        share = f"{mean['share']:.1f} ± {values['share'].std():.1f}" if mean["share"] > 0 else "–"
        self.say(
            f"| {name} | {mean['apgr']:.3f} | {apgr.std():.3f} | {tenth:.3f} "
            f"| {mean['cpt50']:.1f} | {mean['cpt80']:.1f} | {share} |"
        )
        self.off_share[table, name] = float(np.abs(values["share"] - ASKED).mean())
        kept = {**mean, "sd": float(apgr.std()), "tenth": tenth, "seeds": len(found)}
        self.figures.setdefault(table, {})[name] = kept  # type: ignore[index]
        return Routed(**mean)

    def head(self, title: str) -> None:
        """Begin a table."""
        self.say("", f"### {title}", "", _HEAD, "|---|---|---|---|---|---|---|")


MIX = "LLMRouter, 14 tasks, 49 against 7 billion"
_KEYS = ("apgr", "cpt50", "cpt80", "share")
_HEAD = "| | APGR | sd | 10th percentile | CPT50 | CPT80 | strong % at 30 asked |"


def _pair(
    report: Report, title: str, rows: Rows, settings: dict[str, Setting], seeds: int
) -> dict[str, Routed]:
    report.head(f"{title}, {len(rows):,} rows")
    found = {}
    for name, setting in settings.items():
        found[name] = report.row(title, name, each(seeds, partial(run, rows, setting)))
    for name, rival in (
        ("random", baselines.chance),
        ("length of the prompt", baselines.length),
        ("table by the true group, all labels", baselines.table),
        ("oracle", baselines.oracle),
    ):
        if rival is baselines.table and len(set(rows.groups)) == 1:
            continue
        report.row(title, name, each(min(seeds, 5), partial(rival, rows)))
    return found


def _published(report: Report, bench: str) -> None:
    for name, trained, apgr, cpt50, cpt80 in baselines.PUBLISHED[bench]:
        report.say(f"| RouteLLM, {name} ({trained}) | {apgr:.3f} | – | – | {cpt50} | {cpt80} | – |")


def routing(report: Report, seeds: int, most: int) -> None:
    """MMLU, GSM8K, MT-Bench and the mix."""
    ours = {
        f"ours, k={k}" if k else "ours, k=0 (prior)": Setting(k, most=most)
        for k in (0, 100, 500, 1531)
    }
    small = {name: one for name, one in ours.items() if one.k <= 500}
    mmlu = _pair(report, "MMLU", routellm("mmlu"), ours, seeds)
    _published(report, "mmlu")
    gsm8k = _pair(report, "GSM8K", routellm("gsm8k"), small, seeds)
    _published(report, "gsm8k")
    flat = {f"ours, k={k}": Setting(k, difficulty=False, most=most) for k in (100, 500, 1531)}
    mixed = _pair(report, MIX, mix(), flat, seeds)
    zero = {"ours, k=0 (prior)": Setting(0)}
    _pair(report, "MT-Bench (± 0.14: 72 rows)", routellm("mt_bench"), zero, seeds)
    at = "ours, k={}".format
    nothing = "ours, k=0 (prior)"
    report.targets += [
        Target("MMLU APGR, k=0", mmlu[nothing].apgr, 0.57, 0.60),
        Target("MMLU APGR, k=500", mmlu[at(500)].apgr, 0.61, 0.64),
        Target("MMLU APGR, k=1531", mmlu[at(1531)].apgr, 0.63, 0.66),
        Target("GSM8K APGR, k=0", gsm8k[nothing].apgr, 0.58, 0.61),
        Target("GSM8K APGR, k=500", gsm8k[at(500)].apgr, 0.63, 0.66),
        Target("mix APGR, k=500", mixed[at(500)].apgr, 0.79, 0.82),
        Target("mix CPT50, k=500", mixed[at(500)].cpt50, 19, 17, less_is_better=True),
    ]
    for name, table in (("MMLU", "MMLU"), ("GSM8K", "GSM8K"), ("mix", MIX)):
        error = report.off_share[table, at(500)]
        report.targets.append(
            Target(f"{name}, mean points off a share of 30 %", error, 4, 3, less_is_better=True)
        )


def robustness(report: Report, seeds: int, most: int) -> None:
    """What is left without the artefacts, without the group, with wrong labels."""
    report.head("Robustness")
    mmlu = routellm("mmlu")
    clean = mmlu.where(lambda subject: subject not in ARTEFACTS)
    few = max(1, seeds // 4)
    table = "robustness"
    minus = {
        k: report.row(
            table,
            f"MMLU without the two subjects, k={k}",
            each(seeds, partial(run, clean, Setting(k, calibrate=False, most=most))),
        )
        for k in (0, 500, 1531)
    }
    report.row(
        table,
        "MMLU, 20 % of the labels wrong, k=1531",
        each(seeds, partial(run, mmlu, Setting(1531, noise=0.2, calibrate=False, most=most))),
    )
    report.row(
        table,
        "MMLU, subjects left out (8 parts), k=1531",
        each(few, lambda seed: left_out(mmlu, eight_parts(mmlu, seed), 1531, seed)),
    )
    tasks = [frozenset((name,)) for name in sorted(set(mix().groups))]
    report.row(
        table,
        "LLMRouter, task left out, k=500",
        each(few, lambda seed: left_out(mix(), tasks, 500, seed, difficulty=False)),
    )
    report.targets.append(Target("MMLU minus two APGR, k=1531", minus[1531].apgr, 0.57, 0.60))


def nine_models(report: Report, seeds: int) -> None:
    """Cost at equal quality."""
    found = [fleet.judge(500, seed) for seed in range(seeds)]
    saved = np.array([one.saved for one in found])
    cost = np.mean([one.cost for one in found])
    top = np.mean([one.top_quality for one in found])
    never = np.count_nonzero(saved == 0)
    report.say(
        "",
        f"Nine models, k=500: the best single model has {found[0].best_quality:.3f} at "
        f"{found[0].best_cost:.0f} billion parameters; the same quality costs {cost:.1f} "
        f"({-saved.mean():+.0f} %, sd {saved.std():.0f}, never reached in {never} of {seeds}); "
        f"with cost of no matter {top:.3f}.",
    )
    report.figures["nine models"] = [asdict(one) for one in found]
    report.targets.append(Target("nine models, % saved, k=500", float(saved.mean()), 35, 45))


def abstention(report: Report, most: int) -> None:
    """Noise, held-out fields, and its own."""
    found = outside.judge_all(most=most)
    report.say("", "### Abstains", "", "| labels are of | own field | noise | other fields |")
    report.say("|---|---|---|---|")
    for one in found:
        report.say(
            f"| {', '.join(one.scope)} | {one.inside:.1%} | {one.noise:.0%} | {one.held_out:.0%} |"
        )
    inside = float(np.mean([one.inside for one in found]))
    noise = float(np.mean([one.noise for one in found]))
    fields = float(np.mean([one.held_out for one in found]))
    report.say(f"| mean | {inside:.1%} | {noise:.0%} | {fields:.0%} |")
    report.figures["abstention"] = [asdict(one) for one in found]
    report.targets += [
        Target("abstains in its own field, %", 100 * inside, 5, 5, less_is_better=True),
        Target("abstains at noise, %", 100 * noise, 60, 60),
        Target("abstains in other fields, %", 100 * fields, 60, 60),
    ]


def costs(report: Report, most: int) -> None:
    """Decisions and fits."""
    once, twice = timing.fit_ms(1_531), timing.fit_ms(2 * 1_531)
    found = timing.measure(most=most)
    report.say("", "### Cost", "", "| | p50 µs | p99 µs |", "|---|---|---|")
    for name, times in (
        ("analysis", found.analysis),
        ("prediction", found.prediction),
        ("both", found.both),
        ("both, 100 kB", found.large),
    ):
        report.say(f"| {name} | {times.p50_us:.0f} | {times.p99_us:.0f} |")
    report.say(
        "",
        f"CPU of a fit: {once:.0f} ms of 1,531 labels, {twice:.0f} ms of twice as many. Weights: "
        f"{found.grams:,} grams, {found.gzip_bytes / 1000:.0f} kB gzip, compiled in "
        f"{found.compile_ms:.0f} ms.",
    )
    report.figures["costs"] = {**asdict(found), "fit_ms": once, "fit_of_3062_ms": twice}
    report.targets += [
        Target("prediction p50, µs", found.prediction.p50_us, 28, 28, less_is_better=True),
        Target("both p50, µs", found.both.p50_us, 80, 50, less_is_better=True),
        Target("both p99, µs", found.both.p99_us, 450, 300, less_is_better=True),
        Target("both p99 of 100 kB, µs", found.large.p99_us, 600, 600, less_is_better=True),
        Target("fit of 1,531 labels, ms of CPU", once, 50, 50, less_is_better=True),
    ]


def verdicts(report: Report) -> None:
    """Every target, reached or not."""
    report.say("", "### Targets", "", "| | found | minimum | aim | reached |")
    report.say("|---|---|---|---|---|")
    for one in report.targets:
        report.say(
            f"| {one.name} | {one.value:.3g} | {one.minimum:g} | {one.aim:g} | {one.verdict()} |"
        )
    report.figures["targets"] = [
        {**asdict(one), "reached": one.verdict()} for one in report.targets
    ]
