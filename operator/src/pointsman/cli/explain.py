"""`pointsman explain`: the decision for one prompt, by the router's own code, and why."""

import argparse
import functools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pointsman.analysis import Analysis, AnalysisSettings
from pointsman.analysis.analysis import judge, observe
from pointsman.api.dataclass import CLASSES, RANKS
from pointsman.api.predicting import Choice
from pointsman.api.spelling import did_you_mean
from pointsman.cli.learned import learned_by_now
from pointsman.cli.ledger import NoLedger, opened
from pointsman.cli.policies import Unusable, compiled
from pointsman.cli.traffic.given import Given, given
from pointsman.cli.traffic.money import Assumed, price_of
from pointsman.cli.traffic.seen import Seen, seen_of_event
from pointsman.events.schema import Request
from pointsman.ledger import recorded
from pointsman.ledger.summary import money
from pointsman.router.wire.profile import changed_members
from pointsman.routing import CompiledTable, Decision, decide
from pointsman.routing.choosing import Asked, choose
from pointsman.routing.cost import Tariff
from pointsman.routing.governing import for_facts, rank_of_facts
from pointsman.routing.review import look

_MOST: Final = "maxConcurrentRequests"
_NONE: Final = "none: every backend of the rule was skipped or left out"
_ASKED: Final = ("prompt", "request", "decision")
"""Flags that say which request is meant."""


_Told = tuple[Analysis, Decision, str, Choice | None, tuple[str, ...]]
"""What was found, what was decided, what it costs in words, what a predictor says, and the members
of the request that the backend's profile changes."""


def _decide(options: argparse.Namespace) -> _Told:
    table = _table(options)
    asked = given(options)
    names = sorted(table.by_model)
    only = names[0] if len(table.policies) == 1 else None
    # A line of traffic may name the model that was asked before there was a policy.
    known = asked.model in table.by_model or options.model
    model = asked.model if known else only
    if model is None:
        raise Unusable(f"--model is needed, one of: {', '.join(names) or 'none'}")
    policy = table.by_model.get(model)
    if policy is None:
        hint = did_you_mean(model, names) or f"; there are: {', '.join(names)}"
        raise Unusable(f"no policy has the model name {model!r}{hint}")
    read = observe(asked.prompt, AnalysisSettings())
    analysis = judge(read)
    facts = msgspec.structs.replace(asked.facts(analysis), now_s=time.time())
    texts = [asked.prompt.system, asked.prompt.history, asked.prompt.user]
    rank = rank_of_facts(policy, facts, texts=texts)
    policy = for_facts(policy, facts, texts=texts, now_s=facts.now_s)
    decision, choice = decide(policy, facts, dice=0.0, explain=True), None
    if policy.chooser is not None:
        about = Asked(read.text, facts, time.time())
        decision, choice = choose(policy.chooser, decision, about)
    decision, _ = look(decision, facts, rank=rank, now_s=facts.now_s)
    if rank:
        told = (f"data class: {CLASSES[rank]}", *decision.evidence)
        decision = msgspec.structs.replace(decision, evidence=told)
    return analysis, decision, _cost(asked, analysis, decision), choice, _changes(asked, decision)


def _table(options: argparse.Namespace) -> CompiledTable:
    if not options.learned:
        return compiled(options.paths)
    with opened(options.ledger, options.token_file) as ledger:
        return compiled(options.paths, functools.partial(learned_by_now, ledger))


def _changes(asked: Given, decision: Decision) -> tuple[str, ...]:
    """Members of the request that the first candidate's profile changes; never what they hold."""
    profile = decision.candidates[0].profile if decision.candidates else None
    if profile is None or (asked.read is not None and not asked.read.generates):
        return ()
    return changed_members(asked.body, profile)


def _cost(asked: Given, analysis: Analysis, decision: Decision) -> str:
    """Of the first candidate's answer, in words; empty where it has no price."""
    if not decision.candidates or not decision.candidates[0].prices:
        return ""
    backend = decision.candidates[0]
    stated = asked.read.usage if asked.read else None
    seen = Seen(model=asked.model, facts=asked.facts(analysis), usage=stated)
    usage = Assumed().usage(seen)
    nano = price_of(usage, Tariff(backend.prices, backend.currency).at(time.time()))
    how = "" if stated else " if the answer has"
    return (
        f"{money(nano, backend.currency)} for {usage.prompt_tokens:,} tokens in,"
        f"{how} {usage.completion_tokens:,} out"
    )


def as_json(
    analysis: Analysis,
    decision: Decision,
    cost: str = "",
    choice: Choice | None = None,
    changes: Sequence[str] = (),
) -> dict[str, Any]:
    """The decision as plain values."""
    fallback = decision.route.route.fallback
    return {
        "policy": decision.policy.name,
        "revision": decision.policy.revision,
        "rule": decision.route.route.name,
        "backend": decision.candidates[0].name if decision.candidates else None,
        "fallback": [backend.name for backend in decision.candidates[1:]],
        "fallbackWhen": list(fallback.on) if fallback else [],
        _MOST: {
            backend.name: backend.max_concurrent
            for backend in decision.candidates
            if backend.max_concurrent is not None
        },
        "targets": [
            {"backend": target.backend, "weight": target.weight}
            for target in decision.route.route.targets
        ],
        "leftOut": decision.route.route.left_out,
        "skipped": [{"backend": s.backend, "reason": s.reason} for s in decision.skipped],
        "analysis": {
            "task": str(analysis.task) if analysis.decided else None,
            "language": analysis.language,
            "contextTokens": analysis.context_tokens,
            "confidence": round(analysis.confidence, 3),
            "complexity": str(analysis.complexity),
            "complexityScore": round(analysis.complexity_score, 3),
            "domain": str(analysis.domain),
            "evidence": list(analysis.evidence),
        },
        "evidence": list(decision.evidence),
        "cost": cost or None,
        "predictor": msgspec.to_builtins(choice),
        "profileChanges": list(changes),
    }


def as_text(
    analysis: Analysis,
    decision: Decision,
    cost: str = "",
    choice: Choice | None = None,
    changes: Sequence[str] = (),
) -> str:
    """The decision for a person; with several targets, the one that dice of 0 choose."""
    facts = as_json(analysis, decision)
    shares = ", ".join(f"{t['backend']} (weight {t['weight']})" for t in facts["targets"])
    when = f", on {', '.join(facts['fallbackWhen'])}" if facts["fallback"] else ""
    full = (
        f"{name} counts as full at {most} requests a server" for name, most in facts[_MOST].items()
    )
    said = choice.words() if choice else ()
    lines = [
        f"backend   {facts['backend'] or _NONE}",
        f"then      {', '.join(facts['fallback']) or 'no fallback'}{when}",
        f"rule      {facts['rule']}: {shares}",
        f"policy    {facts['policy']}, revision {facts['revision']}",
        f"task      {facts['analysis']['task'] or 'undecided'}",
        f"language  {analysis.language}, about {analysis.context_tokens:,} prompt tokens",
        f"asks      {analysis.complexity} ({analysis.complexity_score:.2f}), {analysis.domain}",
        *([f"cost      {cost}"] if cost else []),
        *([f"profile   changes {', '.join(changes)}"] if changes else []),
        "why",
        *(f"  {line}" for line in (*analysis.evidence, *decision.evidence, *said, *full)),
    ]
    return "\n".join(lines)


def explain(options: argparse.Namespace) -> int:
    """Print the decision; 1 if the files or the flags do not lead to one."""
    try:
        wrong = _wrong(options)
        if wrong:
            print(f"pointsman explain: {wrong}", file=sys.stderr)
            return 2
        if options.decision:
            return _explain_recorded(options)
        told = _decide(options)
    except (Unusable, NoLedger, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.output == "json":
        print(json.dumps(as_json(*told), indent=2, ensure_ascii=False))
    else:
        print(as_text(*told))
    return 0


def _wrong(options: argparse.Namespace) -> str:
    """What means nothing in the flags."""
    asked = [name for name in _ASKED if getattr(options, name) is not None]
    if len(asked) != 1:
        return "give one of --prompt, --request and --decision"
    if options.decision is None and not options.paths:
        return "-f is needed: files with a policy and its backends"
    return ""


def _explain_recorded(options: argparse.Namespace) -> int:
    with opened(options.ledger, options.token_file) as ledger:
        event = ledger.request(options.decision)
    if event is None:
        raise Unusable(f"{options.ledger} has no decision {options.decision}")
    now = _now(options, event) if options.paths else None
    if options.output == "json":
        found = recorded.as_json(event) | ({"now": as_json(*now)} if now else {})
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(recorded.as_text(event))
        if now is not None:
            print(f"\nby {', '.join(options.paths)}, from what was recorded\n{as_text(*now)}")
    return 0


def _now(options: argparse.Namespace, event: Request) -> tuple[Analysis, Decision]:
    """What files would do with it: a ledger has its task, language and length, and no text."""
    table = compiled(options.paths)
    found = {policy.name: policy for policy in table.policies}
    policy = table.by_model.get(options.model) if options.model else found.get(event.policy)
    if policy is None:
        missing = f"model name {options.model!r}" if options.model else f"name {event.policy}"
        raise Unusable(f"no policy of these files has the {missing}")
    facts, rank = seen_of_event(event).facts, RANKS.get(event.data_class, 0)
    policy = for_facts(policy, facts, texts=[], now_s=time.time(), key=rank)
    decision = decide(policy, facts, dice=0.0, explain=True)
    return facts.analysis, look(decision, facts, rank=rank, now_s=time.time())[0]
