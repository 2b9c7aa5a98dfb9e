"""`pointsman simulate`: reads policies, replays traffic, prints the difference, judges conditions.

Exit status: 0, also with a difference; 1 if a condition of --fail-if holds or cannot be told, or
there is nothing to replay; 2 for flags that mean nothing.
"""

import argparse
import contextlib
import functools
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pointsman.api.spelling import did_you_mean
from pointsman.cli.learned import learned_by_now
from pointsman.cli.ledger import Ledger, NoLedger, is_ledger, opened, window
from pointsman.cli.policies import Learn, Unusable, compiled
from pointsman.cli.simulate.conditions import BadCondition, Condition, judge, read_conditions
from pointsman.cli.simulate.measured import Cells, Kind, cells, compare
from pointsman.cli.simulate.outcome import Outcome, outcome
from pointsman.cli.simulate.replay import Replay, Side, blind_rules, predicting, recorded
from pointsman.cli.simulate.tables import as_json, csv_text, table
from pointsman.cli.traffic.money import Assumed, BadFlag, read_assumed
from pointsman.cli.traffic.reading import Traffic
from pointsman.ledger.asking import BadQuestion


@dataclass(frozen=True, slots=True)
class Plan:
    """What the flags say."""

    after: Side
    before: Side | None
    """None: what a ledger recorded, or nothing."""
    of_ledger: bool
    conditions: list[Condition]
    assumed: Assumed

    @property
    def two(self) -> bool:
        """Whether there is something to compare with."""
        return self.before is not None or self.of_ledger


def simulate(options: argparse.Namespace) -> int:
    """See the module."""
    try:
        plan = _plan(options)
    except (BadFlag, BadCondition, BadQuestion) as error:
        print(f"pointsman simulate: {error}", file=sys.stderr)
        return 2
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    except NoLedger as error:
        print(f"pointsman simulate: {error}", file=sys.stderr)
        return 1
    traffic = Traffic()
    try:
        with _ledger(options, plan) as ledger:
            replay = _replay(options, plan, traffic, ledger)
            known = _measured(options, ledger)
    except NoLedger as error:
        print(f"pointsman simulate: {error}", file=sys.stderr)
        return 1
    for line in traffic.told():
        print(line, file=sys.stderr)
    if not replay.requests:
        others = ", ".join(name for name, _ in traffic.others.most_common(8))
        hint = f" of these policies; it has those of {others} (--policy NAME)" if others else ""
        where = ", ".join(options.traffic)
        print(f"pointsman simulate: no request in {where}{hint}", file=sys.stderr)
        return 1
    return _print(options, plan, replay, known, traffic)


def _plan(options: argparse.Namespace) -> Plan:
    """Raises Unusable and NoLedger for files, and BadFlag, BadCondition, BadQuestion for flags."""
    conditions = read_conditions(options.fail_if)
    assumed = read_assumed(options.output_tokens)
    window(options.since, options.until)
    ledgers = [name for name in options.traffic if is_ledger(name)]
    if ledgers and len(options.traffic) > 1:
        raise BadFlag("--traffic takes one ledger, or files of requests")
    two = bool(options.against or ledgers)
    relative = [one.text for one in conditions if one.metric != "unroutable"]
    if relative and not two:
        raise BadFlag(f"--fail-if {relative[0]}: give --against, or a ledger as --traffic")
    now_s, before = time.time(), None
    with _learning(options, ledgers) as learn:
        after = _side(options.paths, options.model, now_s, learn)
        if options.against:
            before = _side(options.against, options.model, now_s, learn)
    return Plan(
        after=after,
        before=before,
        of_ledger=bool(ledgers),
        conditions=conditions,
        assumed=assumed,
    )


@contextlib.contextmanager
def _learning(options: argparse.Namespace, ledgers: list[str]) -> Iterator[Learn | None]:
    """What predictors learn from with --learned."""
    if not options.learned:
        yield None
        return
    where = options.ledger or (ledgers[0] if ledgers else None)
    if where is None:
        raise BadFlag("--learned needs --ledger, or a ledger as --traffic")
    with opened(where, options.token_file) as ledger:
        yield functools.partial(learned_by_now, ledger)


def _side(paths: list[str], model: str | None, now_s: float, learn: Learn | None) -> Side:
    found = compiled(paths, learn)
    if model is not None and model not in found.by_model:
        names = sorted(found.by_model)
        hint = did_you_mean(model, names) or f"; there are: {', '.join(names)}"
        raise Unusable(f"{', '.join(paths)}: no policy has the model name {model!r}{hint}")
    return Side(found, model, now_s)


@contextlib.contextmanager
def _ledger(options: argparse.Namespace, plan: Plan) -> Iterator[Ledger | None]:
    """Of --ledger, else of --traffic, which then may be both."""
    where = options.traffic[0] if plan.of_ledger else options.ledger
    if where is None:
        yield None
        return
    with opened(where, options.token_file) as ledger:
        yield ledger


def _replay(
    options: argparse.Namespace, plan: Plan, traffic: Traffic, ledger: Ledger | None
) -> Replay:
    replay = Replay()
    dice = random.Random(options.seed)  # noqa: S311 - a replay that can be repeated, no secret
    if plan.of_ledger:
        assert ledger is not None
        names = options.policy or [policy.name for policy in plan.after.table.policies]
        requests = traffic.of_ledger(ledger, options.since, options.until, names)
    else:
        requests = traffic.of_files(options.traffic)
    before, after, assumed = plan.before, plan.after, plan.assumed
    for seen in requests:
        die = dice.random()
        was = None
        if before is not None:
            was = before.route(seen, die, assumed)
        elif plan.of_ledger:
            was = recorded(seen)
        replay.add(seen, was, after.route(seen, die, assumed))
    return replay


def _measured(options: argparse.Namespace, ledger: Ledger | None) -> dict[Kind, Cells] | None:
    """None without a ledger."""
    if options.ledger is not None and options.ledger not in options.traffic:
        with opened(options.ledger, options.token_file) as other:
            return _cells(options, other)
    return _cells(options, ledger) if ledger is not None else None


def _cells(options: argparse.Namespace, ledger: Ledger) -> dict[Kind, Cells]:
    by_task = ledger.summary(options.since, options.until, ("backend", "task")).lines
    by_backend = ledger.summary(options.since, options.until, ("backend",)).lines
    kinds: tuple[Kind, Kind] = ("latency", "quality")
    return {kind: cells(kind, by_task, by_backend) for kind in kinds}


def _print(
    options: argparse.Namespace,
    plan: Plan,
    replay: Replay,
    known: dict[Kind, Cells] | None,
    traffic: Traffic,
) -> int:
    found = _outcome(plan, replay, known)
    verdicts = [judge(condition, found) for condition in plan.conditions]
    notes = [*_notes(options, plan, replay, traffic, measured=known is not None)]
    if options.output == "json":
        print(json.dumps(as_json(replay, found, verdicts, notes), indent=2, ensure_ascii=False))
    elif options.output == "csv":
        print(csv_text(replay), end="")
    else:
        print(table(replay, found, verdicts, notes, two=plan.two), end="")
    failed = [verdict for verdict in verdicts if verdict.failed]
    if options.output == "csv":
        for verdict in failed:
            print(f"FAILED {verdict.condition}: {verdict.words}", file=sys.stderr)
    return 1 if failed else 0


def _outcome(plan: Plan, replay: Replay, known: dict[Kind, Cells] | None) -> Outcome:
    why = "no ledger was given (--ledger)"
    if known is not None:
        why = "the ledger has too few answers or ratings of these backends"
    latency, quality = (
        compare(replay.cells, known[kind]) if known and plan.two else None
        for kind in ("latency", "quality")
    )
    return outcome(replay, latency=latency, quality=quality, two=plan.two, why_not_measured=why)


def _predicted(options: argparse.Namespace, plan: Plan) -> Iterator[str]:
    """Whose predictors chose, and by what."""
    sides = (plan.before, plan.after)
    names = ", ".join(sorted({name for side in sides if side for name in predicting(side)}))
    if not names:
        return
    if plan.of_ledger:
        yield f"The predictor of {names} chose nothing: it needs texts. Targets answered."
        return
    known = "what was learned by now" if options.learned else "what is published (--learned)"
    yield (
        f"The predictor of {names} chose by {known}, each request as the first of a conversation, "
        "and explored nothing."
    )


def _notes(
    options: argparse.Namespace, plan: Plan, replay: Replay, traffic: Traffic, *, measured: bool
) -> Iterator[str]:
    before = ", ".join(options.against) or ("as recorded" if plan.of_ledger else "")
    against = f" against {before}" if before else ""
    bad = f", {traffic.bad:,} bad lines left out" if traffic.bad else ""
    yield (
        f"{replay.requests:,} requests of {', '.join(options.traffic)}{bad}:"
        f" {', '.join(options.paths)}{against}, dice of seed {options.seed}."
    )
    if replay.stated < replay.requests:
        silent = replay.requests - replay.stated
        yield f"Tokens of {silent:,} answers are assumed: {plan.assumed.words()}."
    yield "Every backend is taken to need as many tokens as another. Intervals are of 95 %."
    if measured:
        yield "Quality and latency were measured on what each backend was asked, not on the same."
    yield from _predicted(options, plan)
    if traffic.others:
        yield f"{traffic.others.total():,} requests of other policies are left out (--policy)."
    if plan.of_ledger:
        yield "A ledger has no texts: rules see the task, language and length recorded at the time."
        sides = [side for side in (plan.before, plan.after) if side is not None]
        blind = sorted({rule for side in sides for rule in blind_rules(side.table)})
        if blind:
            yield f"It has neither headers nor metadata: {', '.join(blind)} match nothing."
