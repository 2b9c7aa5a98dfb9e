"""A policy's own tests, run by the code that routers run.

Pure. What a test asks for is turned into the facts of a request, analyzed and decided; nothing is
sent anywhere. 32 tests take 5 to 20 ms, and what is known of a compiled policy is not run again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from pointsman.api import table
from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import Expectation, PolicyTest
from pointsman.api.validation import Problem

if TYPE_CHECKING:
    from pointsman.analysis import Analysis, Prompt
    from pointsman.routing import CompiledPolicy, Decision, RequestFacts
    from pointsman.routing.review import Need

_REMEMBERED: Final = 256
"""Compiled policies whose failures are kept, by digest."""
_SHOWN_EVIDENCE: Final = 3
_PICO: Final = 10**12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test; `problems` is empty if it passed."""

    test: PolicyTest
    problems: tuple[str, ...]
    analysis: "Analysis" = field(repr=False)
    decision: "Decision" = field(repr=False)
    """With its evidence."""


def run_tests(blob: bytes, tests: Sequence[PolicyTest]) -> tuple[Outcome, ...]:
    """The outcome of each, in order; raises TableError for a policy that no router would run."""
    from pointsman.routing import compile_policy  # noqa: PLC0415 - few policies have tests

    policy = compile_policy(table.decode_blob(blob), "")
    return tuple(_run(policy, test) for test in tests)


def problems_of(outcomes: Sequence[Outcome]) -> tuple[Problem, ...]:
    """A problem for each test that fails, at its place in the spec."""
    return tuple(
        Problem(
            f"spec.tests[{number}]",
            f"test {outcome.test.name}: {'; '.join(outcome.problems)}",
            Reason.TESTS_FAILED,
        )
        for number, outcome in enumerate(outcomes)
        if outcome.problems
    )


class _Known:
    """Failures by the digest of the compiled policy, whose revision stands for the tests too."""

    def __init__(self) -> None:
        self._problems: OrderedDict[str, tuple[Problem, ...]] = OrderedDict()

    def problems(
        self, digest: str, blob: bytes, tests: Sequence[PolicyTest]
    ) -> tuple[Problem, ...]:
        found = self._problems.get(digest)
        if found is None:
            found = self._problems[digest] = problems_of(run_tests(blob, tests))
            while len(self._problems) > _REMEMBERED:
                self._problems.popitem(last=False)
        return found


_known: Final = _Known()


def failing(digest: str, blob: bytes, tests: Sequence[PolicyTest]) -> tuple[Problem, ...]:
    """What `problems_of` says of `tests`, which must be those of the blob's revision."""
    return _known.problems(digest, blob, tests)


def _run(policy: "CompiledPolicy", test: PolicyTest) -> Outcome:
    from pointsman.routing import decide  # noqa: PLC0415
    from pointsman.routing.governing import NoClass, for_facts, rank_of_facts  # noqa: PLC0415
    from pointsman.routing.review import look  # noqa: PLC0415

    facts, texts = facts_of(test), [test.prompt or "", *(one.content for one in test.messages)]
    try:
        rank = rank_of_facts(policy, facts, texts=texts)
        policy = for_facts(policy, facts, texts=texts, now_s=None)
    except NoClass as error:
        decision = decide(policy, facts, dice=0.0, explain=True)
        return Outcome(test, (str(error),), facts.analysis, decision)
    decision = decide(policy, facts, dice=0.0, explain=True)
    decision, need = look(decision, facts, rank=rank, now_s=None)
    problems = tuple(_problems(test.expect, decision, facts, need))
    return Outcome(test, problems, facts.analysis, decision)


def _problems(
    expect: Expectation, decision: "Decision", facts: "RequestFacts", need: "Need | None"
) -> list[str]:
    from pointsman.routing import first_choices  # noqa: PLC0415

    problems = []
    analysis, rule = facts.analysis, decision.route.route.name
    if expect.task and not (analysis.decided and analysis.task == expect.task):
        task = analysis.task if analysis.decided else "undecided"
        why = ", ".join(analysis.evidence[:_SHOWN_EVIDENCE])
        problems.append(f"task is {task}, not {expect.task} ({why})")
    if expect.rule and rule != expect.rule:
        problems.append(f"rule is {rule}, not {expect.rule}{_why_not(expect.rule, decision)}")
    if expect.review and expect.review != (need.mode if need else "None"):
        problems.append(f"review is {need.words() if need else 'None'}, not {expect.review}")
    escalated = need is not None and need.mode == "Escalate"
    choices = decision.candidates[:1] if escalated else first_choices(decision, facts)
    names = [backend.name for backend in choices]
    if expect.backend and expect.backend not in names:
        problems.append(
            f"backend is {' or '.join(names) or 'none'}, not {expect.backend}{_skipped(decision)}"
        )
    if expect.max_cost is not None:
        if not choices:
            problems.append(
                f"no backend can take it, so nothing is known of its cost{_skipped(decision)}"
            )
        problems += (
            text for backend in choices if (text := _too_dear(backend, expect.max_cost, facts))
        )
    return problems


def _why_not(rule: str, decision: "Decision") -> str:
    told = [line for line in decision.evidence if line.startswith(f"rule {rule}: ")]
    if told:
        return f" ({'; '.join(line.partition(': ')[2] for line in told[:_SHOWN_EVIDENCE])})"
    known = any(route.route.name == rule for route in decision.policy.routes)
    return " (it comes later)" if known else " (there is none of this name)"


def _skipped(decision: "Decision") -> str:
    told = [f"{skip.backend}: {skip.reason}" for skip in decision.skipped[:_SHOWN_EVIDENCE]]
    return f" ({'; '.join(told)})" if told else ""


def _too_dear(backend: table.Backend, most: str, facts: "RequestFacts") -> str:
    """At the highest price, so that the verdict does not change as time passes."""
    given, answered = facts.analysis.context_tokens, facts.max_output_tokens
    pico = max(
        (price.input_pico * given + price.output_pico * answered for price in backend.prices),
        default=0,
    )
    if pico <= Decimal(most) * _PICO:
        return ""
    cost = Decimal(pico) / _PICO
    return (
        f"costs {cost:.6f} {backend.currency} at {backend.name} for {given:,} and {answered:,} "
        f"tokens, more than {most}"
    )


def facts_of(test: PolicyTest) -> "RequestFacts":
    """The test as the router would see it, were it a request."""
    from pointsman.analysis import analyze  # noqa: PLC0415
    from pointsman.routing import RequestFacts  # noqa: PLC0415

    return RequestFacts(
        analysis=analyze(_prompt(test)),
        headers={name.lower(): value for name, value in test.headers.items()},
        metadata=test.metadata,
        max_output_tokens=test.max_output_tokens,
        tools=test.tools,
        images=test.images,
        caller=test.caller,
        team=test.team,
    )


def _prompt(test: PolicyTest) -> "Prompt":
    """The same reading of a conversation as the router's (wire/openai.py); a test compares them."""
    from pointsman.analysis import Prompt  # noqa: PLC0415

    messages = [(one.role, one.content) for one in test.messages] or [("user", test.prompt or "")]
    users = [number for number, (role, _) in enumerate(messages) if role == "user"]
    last = users[-1] if users else -1
    systems = ("system", "developer")
    rest = enumerate(messages)
    return Prompt(
        user=messages[last][1] if users else "",
        system="\n".join(text for role, text in messages if role in systems),
        history="\n".join(t for n, (role, t) in rest if role not in systems and n != last),
        total_chars=sum(len(text) for _, text in messages) + test.history_chars,
        turns=len(users),
        tools=test.tools,
        images=test.images,
        json_mode=test.json_mode,
    )
