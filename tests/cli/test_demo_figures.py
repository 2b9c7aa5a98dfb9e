"""The demo's arithmetic: what goes in comes out, and nothing else does."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import Prompt, analyze
from pointsman.api.v1alpha1 import Cost
from pointsman.cli.demo.evidence import Apart, apart, lines, to_trace
from pointsman.cli.demo.figures import UNDECIDED, Answer, bill_nano, row, rows
from pointsman.cli.demo.prompts import ANSWER_TOKENS, SHARE, DeskClass, day
from pointsman.cli.demo.report import balance, savings
from pointsman.cli.demo.run import backends, baseline, called, example, extremes, prices
from pointsman.cli.policies import compiled
from pointsman.ledger.summary import By, Line, line
from pointsman.ledger.tally import COLUMNS, DURATION
from pointsman.routing import RequestFacts, decide

PRICES = {"light": Cost(input_per_million="1", output_per_million="10")}


def answer(backend: str = "light") -> Answer:
    """One of 1,000 prompt and 100 completion tokens."""
    return Answer(
        backend=backend, decision="d", prompt_tokens=1000, completion_tokens=100, correct=True
    )


def summed(requests: int = 1, cost_nano: int = 0, slow: int = 0, **by: str) -> Line:
    """A line of a ledger whose answers took some 100 ms, `slow` of them some 200."""
    values = dict.fromkeys(COLUMNS, 0)
    values |= {"requests": requests, "cost_nano": cost_nano}
    values[DURATION[14]], values[DURATION[16]] = requests - slow, slow
    names: list[By] = [name for name in ("policy", "task", "backend") if name in by]
    return line(names, [*(by[name] for name in names), "USD"], list(values.values()))


def test_a_row_is_the_ledgers_sum_in_model_time() -> None:
    """Latencies in model time, and who answered how many."""
    parts = [summed(1, backend="a"), summed(2, backend="b"), summed(2, backend="a")]
    found = row(summed(5, 1_500_000_000, slow=1), parts, "all", time_scale=10)

    assert (found.requests, found.failed, found.cost) == (5, 0, 1.5)
    assert found.backends == (("a", 3), ("b", 2))
    assert 0.9 < found.p50_s < 1.9 < found.p95_s < 3


def test_what_reached_no_backend_is_in_its_row() -> None:
    """On a machine that is too busy: it has no currency, and a ledger tells it apart."""
    counts = dict.fromkeys(COLUMNS, 0) | {"requests": 2, "errors": 2}
    lost = [
        line(["policy"], ["desk", ""], list(counts.values())),
        line(["policy", "task"], ["desk", "Chat", ""], list(counts.values())),
    ]
    totals = [lost[0], summed(3, 1_500_000_000, policy="desk")]
    tasks = [summed(3, 1_500_000_000, policy="desk", task="Chat"), lost[1]]
    parts = [summed(3, policy="desk", task="Chat", backend="a")]
    table = rows("desk", totals, tasks, parts, time_scale=1)

    assert [(one.label, one.requests, one.failed, one.cost) for one in table] == [
        ("Chat", 5, 2, 1.5), ("all", 5, 2, 1.5),
    ]  # fmt: skip
    assert table[0].p50_s > 0


def test_the_rows_of_the_tasks_come_before_their_sum() -> None:
    """Of one policy; what the router was not sure of stands last."""
    totals = [summed(3, policy="desk"), summed(9, policy="other")]
    tasks = [
        summed(1, policy="desk", task=""),
        summed(2, policy="desk", task="Chat"),
        summed(9, policy="other", task="Chat"),
    ]
    parts = [
        summed(one.requests, policy=one.by["policy"], task=one.by["task"], backend="a")
        for one in tasks
    ]
    table = rows("desk", totals, tasks, parts, time_scale=1)

    assert [(one.label, one.requests) for one in table] == [
        ("Chat", 2), (UNDECIDED, 1), ("all", 3)
    ]  # fmt: skip
    assert table[-1].backends == (("a", 3),)


def test_a_backend_without_a_price_costs_nothing() -> None:
    """Nothing is invented where the YAML declares nothing."""
    assert bill_nano([answer("free")], PRICES) == 0
    assert bill_nano([answer(), answer()], PRICES) == 2 * (1000 * 1000 + 100 * 10_000)


@given(
    st.decimals(0, 1000, places=6), st.decimals(0, 1000, places=6),
    st.integers(0, 10**7), st.integers(0, 10**7),
)  # fmt: skip
def test_a_bill_is_exact_to_the_billionth(
    price_in: Decimal, price_out: Decimal, prompt: int, completion: int
) -> None:
    """However many digits the prices have."""
    cost = Cost(input_per_million=str(price_in), output_per_million=str(price_out))
    one = Answer(
        backend="x", decision="d", prompt_tokens=prompt, completion_tokens=completion, correct=True
    )
    exact = (prompt * price_in + completion * price_out) * 1000
    assert abs(bill_nano([one], {"x": cost}) - exact) <= Decimal("0.5")


def test_the_balance_says_when_it_is_none() -> None:
    """To the last digit."""
    assert "that is what the ledger has" in balance(1_000_000_001, 1_000_000_001, "USD")
    assert "but the ledger has 1.000000002 USD" in balance(1_000_000_001, 1_000_000_002, "USD")


def test_savings_say_less_and_more() -> None:
    """The sentence follows the figures in both directions."""
    cheap = row(summed(1, 10**9), [], "all", time_scale=1)
    dear = row(summed(1, 2 * 10**9, slow=1), [], "all", time_scale=1)

    assert "50% less cost, 50% lower median latency" in savings(cheap, dear, dear)
    assert "100% more cost, 100% higher median latency" in savings(dear, cheap, cheap)


def test_a_day_is_the_same_for_the_same_seed() -> None:
    """The three arms must see the same prompts."""
    assert day(50, seed=7) == day(50, seed=7)
    assert day(50, seed=7) != day(50, seed=8)


def test_a_day_has_its_shares_and_its_order() -> None:
    """Classes in their shares, times of day ascending, both ways of asking."""
    requests = day(400)
    counted = Counter(request.desk_class for request in requests)

    assert {name: counted[name] / 400 for name in DeskClass} == pytest.approx(SHARE, abs=0.01)
    assert [one.at for one in requests] == sorted(one.at for one in requests)
    assert {one.stream for one in requests} == {True, False}


def test_every_request_fits_the_model_of_each_arm(tmp_path: Path) -> None:
    """However tokens are counted: else the demo would end with failures of its own making."""
    known = backends(example())
    longest = [one for one in day(360) if one.desk_class is DeskClass.HISTORY]
    assert len(longest) > 5
    for name in extremes(prices(known)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(baseline(name, known[name], slots=9))
        policy = compiled([str(file)]).by_model[name]
        for one in longest:
            prompt = Prompt(user=one.prompt, system="", history="", total_chars=len(one.prompt))
            facts = RequestFacts(
                analysis=analyze(prompt), max_output_tokens=ANSWER_TOKENS[one.desk_class]
            )
            assert decide(policy, facts, dice=0.0).skipped == ()


def test_the_day_is_told_apart_by_the_analysis() -> None:
    """A line for each task with its count and evidence, none of which is a prompt's text."""
    requests = day(100)
    found = apart(requests)
    said = list(lines(found))

    assert sum(told.requests for told in found.tasks) == 100
    assert {told.task for told in found.tasks} >= {"Chat", "Coding", "LongContext", "Multilingual"}
    assert all(told.evidence for told in found.tasks)
    assert len(said) == len(found.tasks) + 2
    assert not any(request.prompt[:20] in line for line in said for request in requests)


def test_a_mislabelled_request_is_the_one_to_trace() -> None:
    """Else a bug report; one without a decision cannot be traced."""
    requests = day(20)
    answers = [
        Answer(backend="x", decision=f"d-{n}", prompt_tokens=1, completion_tokens=1, correct=True)
        for n in range(20)
    ]
    coding = next(n for n, one in enumerate(requests) if one.desk_class is DeskClass.BUG)
    right = Apart((), 0, ())
    assert to_trace(right, requests, answers)[0] == f"d-{coding}"
    decision, why = to_trace(Apart((), 1, (4,)), requests, answers)
    assert decision == "d-4"
    assert str(requests[4].desk_class) in why
    assert to_trace(right, requests, [replace(one, decision="") for one in answers]) == ("", "")


@pytest.mark.parametrize(
    ("argument", "found", "shown"),
    [
        (".venv/bin/pointsman", False, ".venv/bin/pointsman"),
        (".venv/bin/pointsman", True, "pointsman"),
        ("cli/__main__.py", False, "pointsman"),
    ],
)
def test_the_commands_to_try_are_found_by_the_shell_that_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, found: bool, shown: str
) -> None:
    """`make demo` puts nothing on the PATH."""
    if found:
        (tmp_path / "pointsman").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [argument, "demo"])

    assert called() == shown
