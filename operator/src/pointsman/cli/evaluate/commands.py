"""`pointsman evaluate`: runs a suite, keeps every call, prints what they say."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from pointsman.cli.evaluate.reading import Unusable, read
from pointsman.cli.evaluate.recording import NotRecorded, record
from pointsman.cli.evaluate.tables import progress, table
from pointsman.evaluation.running.asking import Asker
from pointsman.evaluation.running.events import events_of
from pointsman.evaluation.running.results import FORMAT, Asked, BadResults, Head, ResultFile
from pointsman.evaluation.running.runner import Plan, Runner
from pointsman.evaluation.suite.bars import BadBar, Bar, read_bar
from pointsman.evaluation.suite.calls import ANSWER, Call, units
from pointsman.evaluation.suite.spending import NANO, Purse
from pointsman.evaluation.suite.summary import Report, by_unit, report
from pointsman.ledger.summary import money

_EVERY_S: Final = 0.2
INTERRUPTED: Final = 130


def evaluate(options: argparse.Namespace) -> int:
    """
    0 after printing; 1 if a bar is failed, an endpoint denies all or the cap is reached before
    the end; 2 for what cannot be run; 130 after Ctrl-C, with what there is.
    """
    try:
        bars = [read_bar(text) for text in options.fail_if]
        name, plan = read(options)
        path = options.results or Path(f"evaluate-{name}.jsonl")
        head = Head(format=FORMAT, suite=name, content=plan.suite.content, file=uuid4().hex)
        file = ResultFile.open(path, head)
    except (Unusable, BadBar, BadResults, OSError) as error:
        print(f"pointsman evaluate: {error}", file=sys.stderr)
        return 2
    try:
        for one in plan.targets:
            file.name_target(Asked(target=one.name, url=one.endpoint.url, model=one.model))
        return _run(options, name, plan, file, bars)
    except BadResults as error:
        print(f"pointsman evaluate: {error}", file=sys.stderr)
        return 2
    finally:
        file.close()


def _run(
    options: argparse.Namespace, name: str, plan: Plan, file: ResultFile, bars: Sequence[Bar]
) -> int:
    done = by_unit(file.calls)
    cap = None if options.max_cost is None else int(options.max_cost * NANO)
    purse = Purse(cap_nano=cap, spent_nano=sum(call.cost_nano for call in file.calls))
    shown = _Progress(plan, purse, options.currency)
    runner = Runner(
        plan, done, purse=purse, keep=lambda call: _keep(file, call, runner), progress=shown.tell
    )
    shown.runner = runner
    interrupted = False
    try:
        asyncio.run(_ask(runner, plan, options.timeout))
    except KeyboardInterrupt:
        interrupted = True
    shown.end()
    found = report(name, plan.suite, [one.name for one in plan.targets], plan.runs, runner.done)
    _print(found, options.output)
    said = _said(runner, found, purse, options, interrupted=interrupted)
    if options.record and not interrupted:
        said += _recorded(options, plan, file, runner)
    failed = [sentence for bar in bars for sentence in bar.failed(found.lines)]
    for line in said + failed:
        print(f"pointsman evaluate: {line}", file=sys.stderr)
    if interrupted:
        return INTERRUPTED
    return 1 if said or failed else 0


def _keep(file: ResultFile, call: Call, runner: Runner) -> None:
    """What cannot be kept would be paid again: then nothing more is asked."""
    try:
        file.append(call)
    except BadResults as error:
        runner.denied = str(error)


async def _ask(runner: Runner, plan: Plan, deadline_s: float) -> None:
    async with Asker(limit=plan.concurrency, deadline_s=deadline_s) as asker:
        await runner.run(asker)


def _recorded(
    options: argparse.Namespace, plan: Plan, file: ResultFile, runner: Runner
) -> list[str]:
    """Hand all that is decided to the ledger; what went wrong."""
    assert file.head is not None
    events = events_of(file.head, plan.suite, runner.done)
    try:
        known = record(options.record, events, options.ledger_token_file)
    except NotRecorded as error:
        return [f"not recorded: {error}; the same command tries again, and asks nothing twice"]
    print(f"pointsman evaluate: the ledger has {known} results", file=sys.stderr)
    return []


def _print(found: Report, output: str) -> None:
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(table(found), end="")


def _said(
    runner: Runner, found: Report, purse: Purse, options: argparse.Namespace, *, interrupted: bool
) -> list[str]:
    """What kept it from its end."""
    again = "the same command goes on where it stopped"
    if interrupted:
        return [f"interrupted; {again}"]
    if runner.denied:
        return [f"stopped: {runner.denied}"]
    if runner.capped:
        spent = money(purse.spent_nano, options.currency)
        cap = f"the next call could pass --max-cost {options.max_cost}"
        return [f"stopped: {spent} are spent, and {cap}; with a higher one {again}"]
    if not any(line.scored for line in found.lines):
        reasons = [reason for one in found.prompts for reason in one.reasons]
        return [f"nothing could be scored: {reasons[0]}"]
    return []


class _Progress:
    """One line on a terminal, written over; silent elsewhere."""

    def __init__(self, plan: Plan, purse: Purse, currency: str) -> None:
        names = [one.name for one in plan.targets]
        self._units = list(units(plan.suite, names, plan.runs))
        self._purse = purse
        self._currency = currency
        self._begun_s = time.monotonic()
        self._told_s = 0.0
        self._shown = sys.stderr.isatty()
        self.runner: Runner | None = None

    def tell(self) -> None:
        """A unit is over."""
        now_s = time.monotonic()
        if not self._shown or self.runner is None or now_s - self._told_s < _EVERY_S:
            return
        self._told_s = now_s
        first = [self.runner.done.get(unit, {}).get(ANSWER) for unit in self._units]
        known = [call for call in first if call is not None]
        spent = self._purse.spent_nano
        line = progress(
            done=len(known),
            total=len(self._units),
            absent=sum(call.missing is not None for call in known),
            cost=money(spent, self._currency) if spent else "",
            elapsed_s=now_s - self._begun_s,
        )
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
