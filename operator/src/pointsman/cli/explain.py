"""`pointsman explain`: the decision for one prompt, by the router's own code, and why."""

import argparse
import json
import sys
import time
from typing import Any, Final

import msgspec

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.api.manifests import load
from pointsman.api.predicting import Choice
from pointsman.api.spelling import did_you_mean
from pointsman.api.table import decode_blob
from pointsman.cli.learned import NotLearned, learned_by_now
from pointsman.local.desired import desire
from pointsman.local.session import errors
from pointsman.routing import (
    CompiledTable,
    Decision,
    RequestFacts,
    compile_policy,
    compile_table,
    decide,
)
from pointsman.routing.choosing import Asked, choose

_MOST: Final = "maxConcurrentRequests"


class Unusable(Exception):
    """The files or the flags do not lead to a decision; the text says why."""


def _table(options: argparse.Namespace) -> CompiledTable:
    loaded = load(options.paths)
    if wrong := errors(loaded):
        raise Unusable("\n".join(wrong))
    if not loaded.policies:
        raise Unusable("no RoutingPolicy in these files")
    desired = desire(loaded, accepted={}, previous=None, time_scale=1, run_tests=False)
    learned = learned_by_now(
        desired.wishes, ledger=options.ledger, token_file=options.token_file, db=options.db
    )
    if learned:
        desired = desire(
            loaded, accepted={}, previous=None, time_scale=1, learned=learned, run_tests=False
        )
    plan = desired.table
    refused = [
        f"{name}: {verdict.accepted.message}"
        for name, verdict in plan.verdicts.items()
        if not verdict.accepted.status
    ]
    if refused:
        raise Unusable("\n".join(refused))
    return compile_table(
        compile_policy(decode_blob(data), name) for name, data in plan.blobs.items()
    )


def _pairs(texts: list[str], separator: str, what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise Unusable(f"--{what} {text!r}: expected NAME{separator}VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _decide(options: argparse.Namespace) -> tuple[Analysis, Decision, Choice | None]:
    table = _table(options)
    names = sorted(table.by_model)
    model = options.model or (names[0] if len(table.policies) == 1 else None)
    if model is None:
        raise Unusable(f"--model is needed, one of: {', '.join(names) or 'none'}")
    policy = table.by_model.get(model)
    if policy is None:
        hint = did_you_mean(model, names) or f"; there are: {', '.join(names)}"
        raise Unusable(f"no policy has the model name {model!r}{hint}")
    user = sys.stdin.read() if options.prompt == "-" else options.prompt
    prompt = Prompt(
        user=user, system=options.system, total_chars=len(user) + len(options.system), turns=1
    )
    read = observe(prompt, AnalysisSettings())
    analysis = judge(read)
    headers = _pairs(options.header, ":", "header")
    facts = RequestFacts(
        analysis=analysis,
        headers={name.lower(): value for name, value in headers.items()},
        metadata=_pairs(options.metadata, "=", "metadata"),
        max_output_tokens=options.max_tokens,
    )
    decision = decide(policy, facts, dice=0.0, explain=True)
    if policy.chooser is None:
        return analysis, decision, None
    asked = Asked(read.text, facts, time.time())
    decision, choice = choose(policy.chooser, decision, asked)
    return analysis, decision, choice


def as_json(analysis: Analysis, decision: Decision, choice: Choice | None = None) -> dict[str, Any]:
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
        "predictor": msgspec.to_builtins(choice),
    }


def as_text(analysis: Analysis, decision: Decision, choice: Choice | None = None) -> str:
    """The decision for a person; with several targets, the one that dice of 0 choose."""
    facts = as_json(analysis, decision)
    shares = ", ".join(f"{t['backend']} (weight {t['weight']})" for t in facts["targets"])
    when = f", on {', '.join(facts['fallbackWhen'])}" if facts["fallback"] else ""
    full = (f"{name} is full at {most} a server" for name, most in facts[_MOST].items())
    said = choice.words() if choice else ()
    lines = [
        f"backend   {facts['backend'] or 'none: every backend of the rule was skipped'}",
        f"then      {', '.join(facts['fallback']) or 'no fallback'}{when}",
        f"rule      {facts['rule']}: {shares}",
        f"policy    {facts['policy']}, revision {facts['revision']}",
        f"task      {facts['analysis']['task'] or 'undecided'}",
        f"language  {analysis.language}, about {analysis.context_tokens:,} prompt tokens",
        f"asks      {analysis.complexity} ({analysis.complexity_score:.2f}), {analysis.domain}",
        "why",
        *(f"  {line}" for line in (*analysis.evidence, *decision.evidence, *said, *full)),
    ]
    return "\n".join(lines)


def explain(options: argparse.Namespace) -> int:
    """Print the decision; 1 if the files or the flags do not lead to one."""
    try:
        told = _decide(options)
    except (Unusable, NotLearned, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.output == "json":
        print(json.dumps(as_json(*told), indent=2, ensure_ascii=False))
    else:
        print(as_text(*told))
    return 0
