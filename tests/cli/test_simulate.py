"""`pointsman simulate`: what is the same stays the same, what differs is told, gates close."""

import csv
import io
import json
import math
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.names import API_VERSION
from pointsman.cli.__main__ import main
from pointsman.cli.policies import compiled
from pointsman.cli.simulate.conditions import BadCondition, judge, read_conditions
from pointsman.cli.simulate.measured import Cell, compare
from pointsman.cli.simulate.outcome import Outcome
from pointsman.cli.simulate.replay import Side, blind_rules
from pointsman.cli.traffic.money import Assumed
from pointsman.cli.traffic.seen import seen_of_line
from pointsman.ledger.ratio import Moments, ratio
from pointsman.ledger.summary import Estimate
from tests.cli.traffic import DESK, body, desk, ledger, stored, write
from tests.ledger.events import request

Capture = pytest.CaptureFixture[str]
DEFAULT = "targets:\n      - backendRef: {name: qwen-light}"


def variant(folder: Path, old: str, new: str) -> Path:
    """The support desk with one edit of its policy."""
    made = Path(shutil.copytree(DESK, folder / "variant"))
    policy = made / "policy.yaml"
    text = policy.read_text()
    assert old in text
    policy.write_text(text.replace(old, new))
    return made


def coding_to(folder: Path, backend: str) -> Path:
    """The support desk with another model for its bug reports."""
    chain = "      fallback:\n        chain:\n          - name: "
    ref = "        - backendRef: {name: "
    old = f"{ref}deepseek-code}}\n{chain}kimi-long\n          - name: qwen-light"
    new = f"{ref}{backend}}}\n{chain}glm-multilingual"
    return variant(folder, old, new)


@pytest.fixture
def dearer(tmp_path: Path) -> Path:
    """Bug reports to kimi-long, which costs more."""
    return coding_to(tmp_path, "kimi-long")


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    """40 requests, a quarter of them coding."""
    return write(tmp_path / "traffic.jsonl", desk(40))


def simulated(capsys: Capture, *arguments: object, status: int = 0) -> dict[str, Any]:
    """The JSON."""
    assert main(["simulate", *map(str, arguments), "-o", "json"]) == status
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_policy_against_itself_changes_nothing(
    tmp_path: Path, traffic: Path, capsys: Capture
) -> None:
    """Also with weights: both sides have the same dice."""
    half = f"{DEFAULT}\n        weight: 3\n      - backendRef: {{name: kimi-long}}"
    same = variant(tmp_path, DEFAULT, half)
    found = simulated(capsys, "-f", same, "--against", same, "--traffic", traffic)
    assert found["outcome"]["changed"]["value"] == 0
    assert found["outcome"]["cost"] == {"value": 0, "low": 0, "high": 0}
    ways = {(way["from"], way["to"]) for way in found["backends"]}
    assert {("qwen-light", "qwen-light"), ("kimi-long", "kimi-long")} <= ways


def test_what_differs_is_told_exactly(dearer: Path, traffic: Path, capsys: Capture) -> None:
    """A quarter moves, and costs what the prices and stated tokens say."""
    found = simulated(capsys, "-f", dearer, "--against", DESK, "--traffic", traffic)
    (moved,) = [way for way in found["backends"] if way["from"] != way["to"]]
    out = sum(50 + number % 7 for number in range(1, 40, 4))
    assert moved == {
        "from": "deepseek-code", "to": "kimi-long", "requests": 10,
        "costBefore": 10 * 20 * 270 + out * 1_100, "costAfter": 10 * 20 * 600 + out * 2_500,
    }  # fmt: skip
    cost = found["outcome"]["cost"]
    before = sum(way["costBefore"] for way in found["backends"])
    assert cost["value"] == pytest.approx((moved["costAfter"] - moved["costBefore"]) / before)
    assert cost["low"] < cost["value"] < cost["high"]
    assert found["outcome"]["changed"]["value"] == 0.25
    assert "no ledger was given" in found["outcome"]["unknown"]["quality"]


def test_the_table_says_what_changes(dearer: Path, traffic: Path, capsys: Capture) -> None:
    """Who stays, who moves, the figures, and what they rest on."""
    asked = ["simulate", "-f", str(dearer), "--against", str(DESK), "--traffic", str(traffic)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "deepseek-code     kimi-long" in said
    assert "changed     25.0 %" in said
    assert "latency     unknown: no ledger was given (--ledger)" in said
    assert "dice of seed 1" in said
    assert main([*asked, "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(row["requests"]) for row in rows) == 40


def test_one_policy_alone(traffic: Path, capsys: Capture) -> None:
    """Where everything would go, and what it would cost."""
    assert main(["simulate", "-f", str(DESK), "--traffic", str(traffic)]) == 0
    said = capsys.readouterr().out
    assert "qwen-light" in said
    assert "cost        0." in said
    assert "changed" not in said


def test_a_backend_without_a_price(tmp_path: Path, traffic: Path, capsys: Capture) -> None:
    """Nothing is invented: the cost is unknown, and a condition on it fails."""
    made = Path(shutil.copytree(DESK, tmp_path / "unpriced"))
    file = made / "qwen-light.yaml"
    file.write_text(file.read_text().partition("  cost:")[0])
    asked = ["simulate", "-f", str(made), "--traffic", str(traffic)]
    assert main(asked) == 0
    assert "without qwen-light (no price)" in capsys.readouterr().out
    assert main([*asked, "--against", str(DESK), "--fail-if", "cost>+5%"]) == 1
    assert "cost        unknown: no price: qwen-light" in capsys.readouterr().out


def test_currencies_are_not_converted(tmp_path: Path, traffic: Path, capsys: Capture) -> None:
    """Two of them have no ratio."""
    made = Path(shutil.copytree(DESK, tmp_path / "euros"))
    file = made / "qwen-light.yaml"
    file.write_text(file.read_text() + "    currency: EUR\n")
    found = simulated(capsys, "-f", made, "--against", DESK, "--traffic", traffic)
    assert found["outcome"]["cost"] is None
    assert found["outcome"]["unknown"]["cost"] == "costs are in EUR and USD"


def test_what_costs_nothing_is_in_no_other_currency(tmp_path: Path, capsys: Capture) -> None:
    """A backend without prices, and a request that nobody took, beside a fleet in euros."""
    made = Path(shutil.copytree(DESK, tmp_path / "euros"))
    for file in made.glob("[!p]*.yaml"):
        file.write_text(file.read_text().replace("  cost:\n", "  cost:\n    currency: EUR\n"))
    now_ms = time.time_ns() // 1_000_000
    about = {"policy": "support-desk", "task": "Chat", "language": "en", "context_tokens": 20}
    file = stored(tmp_path / "ledger.db", [
        request(1, at_ms=now_ms - 9, currency="EUR", **about),
        request(2, at_ms=now_ms - 8, currency="USD", cost_nano=0, **about),
        request(3, at_ms=now_ms - 7, backend="", currency="", cost_nano=0, **about),
    ])  # fmt: skip
    found = simulated(capsys, "-f", made, "--traffic", file)
    assert found["currency"] == "EUR"
    assert "cost" not in found["outcome"]["unknown"]


def test_a_ledger_is_the_past_and_the_measure(
    tmp_path: Path, dearer: Path, capsys: Capture
) -> None:
    """Its routing is compared with, its medians and ratings are used; it says what it lacks."""
    file = ledger(tmp_path / "ledger.db")
    found = simulated(capsys, "-f", dearer, "--traffic", file)
    ways = {(way["from"], way["to"]): way["requests"] for way in found["backends"]}
    assert ways == {("deepseek-code", "kimi-long"): 30, ("qwen-light", "qwen-light"): 30}
    assert found["outcome"]["quality_of"]["share"] == 0.5  # nothing is known of kimi-long
    assert any("has no texts" in note for note in found["notes"])

    cheaper = coding_to(tmp_path / "b", "qwen-light")
    found = simulated(capsys, "-f", cheaper, "--traffic", file)
    quality, latency = found["outcome"]["quality"], found["outcome"]["latency_s"]
    assert quality["value"] == pytest.approx(-0.25)  # half of the requests, rated half as good
    assert quality["low"] < -0.25 < quality["high"] < 0
    assert latency["before"] == pytest.approx(0.25, rel=0.2)
    assert latency["after"] == pytest.approx(0.1, rel=0.2)
    assert found["outcome"]["latency"]["value"] < -0.4


def test_a_ledger_beside_a_file_measures(
    tmp_path: Path, traffic: Path, dearer: Path, capsys: Capture
) -> None:
    """Requests of a file, two policies, figures of a ledger."""
    file = ledger(tmp_path / "ledger.db")
    found = simulated(capsys, "-f", DESK, "--against", DESK, "--traffic", traffic, "--ledger", file)
    assert found["outcome"]["latency"]["value"] == 0
    assert found["outcome"]["latency_s"]["share"] == 0.75  # nothing of glm-multilingual


def test_rules_that_a_ledger_cannot_feed_are_named(tmp_path: Path, capsys: Capture) -> None:
    """Headers and metadata are not recorded."""
    made = variant(
        tmp_path, "    - name: translation",
        "    - name: vip\n      match: {headers: [{name: x-tier, value: gold}]}\n"
        "      targets: [{backendRef: {name: kimi-long}}]\n    - name: translation",
    )  # fmt: skip
    assert blind_rules(compiled([str(made)])) == ["vip"]
    found = simulated(capsys, "-f", made, "--traffic", stored(tmp_path / "l.db", [request(1)]),
                      "--since", "2026-01-01", "--policy", "support")  # fmt: skip
    assert any("vip match nothing" in note for note in found["notes"])


def test_requests_of_other_policies_are_left_out(tmp_path: Path, capsys: Capture) -> None:
    """By the names of -f; --policy names another one, which the only policy stands in for."""
    events = [request(1, policy="support-desk"), *(request(n, policy="other") for n in (2, 3, 4))]
    asked = ["-f", DESK, "--traffic", stored(tmp_path / "l.db", events), "--since", "2026-01-01"]
    found = simulated(capsys, *asked)
    assert found["outcome"]["requests"] == 1
    assert any("3 requests of other policies" in note for note in found["notes"])
    assert simulated(capsys, *asked, "--policy", "other")["outcome"]["requests"] == 3
    assert main(["simulate", *map(str, asked), "--policy", "nobody"]) == 1
    assert "it has those of other, support-desk" in capsys.readouterr().err
    ledger_of = ["audit", "--ledger", str(asked[3]), "--since", "2026-01-01", "--policy", "other"]
    assert main([*ledger_of, "-o", "csv"]) == 0
    assert "\nall,,1.0,USD,3," in capsys.readouterr().out.replace("\r", "")


def test_headers_of_an_export_are_seen(tmp_path: Path, capsys: Capture) -> None:
    """By the rules that look at them."""
    made = variant(
        tmp_path, "  default:",
        "    - name: vip\n      match: {headers: [{name: x-tier, value: gold}]}\n"
        "      targets: [{backendRef: {name: kimi-long}}]\n  default:",
    )  # fmt: skip
    lines = [{"request": body("hello"), "headers": {"X-Tier": "gold"}}, body("hello")]
    found = simulated(capsys, "-f", made, "--traffic", write(tmp_path / "t.jsonl", lines))
    assert {way["to"]: way["requests"] for way in found["backends"]} == {
        "kimi-long": 1, "qwen-light": 1,
    }  # fmt: skip


def test_several_policies_need_a_model_name(tmp_path: Path, traffic: Path, capsys: Capture) -> None:
    """Requests of other names are unroutable, unless --model says which they mean."""
    made = Path(shutil.copytree(DESK, tmp_path / "two"))
    other = {
        "apiVersion": API_VERSION, "kind": "RoutingPolicy", "metadata": {"name": "other"},
        "spec": {"modelNames": ["cheap"],
                 "default": {"targets": [{"backendRef": {"name": "qwen-light"}}]}},
    }  # fmt: skip
    (made / "other.json").write_text(json.dumps(other))
    found = simulated(
        capsys, "-f", made, "--traffic", traffic, "--fail-if", "unroutable>0", status=1
    )
    assert found["outcome"]["unroutable_requests"] == 40
    found = simulated(capsys, "-f", made, "--traffic", traffic, "--model", "cheap")
    assert found["outcome"]["unroutable_requests"] == 0
    assert main(["simulate", "-f", str(made), "--traffic", str(traffic), "--model", "chaep"]) == 1
    assert "did you mean cheap?" in capsys.readouterr().err


def test_what_fits_no_backend_is_unroutable(tmp_path: Path, capsys: Capture) -> None:
    """A prompt that is larger than every window of its chain."""
    lines = [body("word " * 1_500_000), body("hello")]
    found = simulated(capsys, "-f", DESK, "--traffic", write(tmp_path / "t.jsonl", lines),
                      "--fail-if", "unroutable>0.1%", status=1)  # fmt: skip
    assert found["outcome"]["unroutable_requests"] == 1
    assert found["failed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (["cost>+5%"], 1),
        (["cost>+500%"], 0),
        (["cost>-10%"], 1),
        (["cost<-5%"], 0),
        (["changed>20%,cost>+500%"], 1),
        (["changed > 30%", "unroutable>0"], 0),
        (["quality<-0.02"], 1),
        (["latency>+10%"], 1),
    ],
)
def test_a_gate_closes(
    dearer: Path, traffic: Path, conditions: list[str], status: int, capsys: Capture
) -> None:
    """Also where nothing is known: without a ledger there is neither quality nor latency."""
    flags = [flag for one in conditions for flag in ("--fail-if", one)]
    asked = ["simulate", "-f", str(dearer), "--against", str(DESK), "--traffic", str(traffic)]
    assert main([*asked, *flags]) == status
    assert ("FAILED" in capsys.readouterr().out) is bool(status)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cost", "is written as cost>+5%"),
        ("cost>5%", "is written as cost>+5%"),
        ("cost>+5", "is written as cost>+5%"),
        ("cost>=+5%", "is written as cost>+5%"),
        ("quality<-2%", "is written as quality<-0.02"),
        ("changed>+2%", "is written as changed>20%"),
        ("unroutable>-1", "is written as unroutable>0"),
        ("cots>+5%", "did you mean cost?"),
        ("", "there are: cost, latency"),
        ("cost>+5%,", "there are: cost"),
        ("cost>+nan%", "is written as cost>+5%"),
    ],
)
def test_a_condition_has_one_shape(text: str, words: str) -> None:
    """What is meant is said."""
    with pytest.raises(BadCondition, match="--fail-if") as raised:
        read_conditions([text])
    assert words in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--fail-if", "cost>+5%"], 2, "give --against, or a ledger"),
        (["--fail-if", "cost"], 2, "is written as"),
        (["--since", "yesterday"], 2, "24h, 7d or 30m"),
        (["--output-tokens", "x"], 2, "expected N or TASK=N"),
        (["--against", "missing.yaml"], 1, "missing.yaml: No such file"),
        (["--ledger", "missing.db"], 1, "there is no such file"),
        (["--traffic", "http://127.0.0.1:1"], 2, "one ledger, or files"),
        (["--model", "nobody"], 1, "there are: auto"),
    ],
)
def test_mistakes_are_one_line(
    traffic: Path, options: list[str], status: int, words: str, capsys: Capture
) -> None:
    """That says what to do."""
    assert main(["simulate", "-f", str(DESK), "--traffic", str(traffic), *options]) == status
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_nothing_to_replay(tmp_path: Path, capsys: Capture) -> None:
    """Status 1: a gate must not open for an empty file."""
    empty = write(tmp_path / "t.jsonl", ["x"])
    assert main(["simulate", "-f", str(DESK), "--traffic", str(empty)]) == 1
    assert "no request in" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_answer(
    tmp_path: Path, traffic: Path, capsys: Capture
) -> None:
    """Another one throws other dice."""
    half = f"{DEFAULT}\n      - backendRef: {{name: kimi-long}}"
    made = variant(tmp_path, DEFAULT, half)

    def ways(seed: int) -> Any:
        found = simulated(capsys, "-f", made, "--traffic", traffic, "--seed", seed)
        return found["backends"]

    assert ways(1) == ways(1)
    assert len({json.dumps(ways(seed)) for seed in range(1, 5)}) > 1


def nothing(**fields: Any) -> Outcome:
    """An outcome of which nothing is known."""
    values: dict[str, Any] = dict.fromkeys(Outcome.__struct_fields__)
    values |= {
        "requests": 1,
        "unroutable_requests": 0,
        "unroutable": Estimate(0, 0, 0),
        "unknown": {},
    }
    return Outcome(**(values | fields))


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_condition_judges_the_value(value: float, bound: float) -> None:
    """Above is above, below is below; the bound itself passes."""
    above, below = read_conditions([f"quality>{bound:+.6f}", f"quality<{bound:+.6f}"])
    found = nothing(quality=Estimate(value, value, value))
    assert judge(above, found).failed is (value > above.bound)
    assert judge(below, found).failed is (value < below.bound)
    assert judge(above, nothing()).failed


def test_the_interval_of_a_ratio_covers() -> None:
    """Of 300 samples of 200 requests, 95 % (88 at least) hold the ratio of all of them."""
    dice = random.Random(5)
    held = 0
    for _ in range(300):
        moments = Moments()
        for _ in range(200):
            cost = dice.expovariate(1.0)
            moments.add(cost, cost * (2.0 if dice.random() < 0.25 else 1.0))
        found = ratio(moments)
        held += found.low <= 0.25 <= found.high
    assert held / 300 > 0.88


def test_what_stays_adds_no_error() -> None:
    """A cell with a wide interval does not matter where its weight does not change."""
    known = {("a", "*"): Cell(0.5, 10.0), ("b", "*"): Cell(0.9, 0.01), ("c", "x"): Cell(0.7, 0.01)}
    found = compare({("a", "a", "x"): 50, ("b", "c", "x"): 50}, known)
    assert found is not None
    assert found.difference.value == pytest.approx(-0.1)
    half = (found.difference.high - found.difference.low) / 2
    assert half == pytest.approx(1.959964 * math.hypot(0.005, 0.005))
    assert compare({("z", "z", "x"): 1}, known) is None


@pytest.mark.parametrize(("mode", "chooses"), [("Apply", True), ("Observe", False)])
def test_a_predictor_chooses_where_rules_leave_it_open(
    tmp_path: Path, traffic: Path, capsys: Capture, mode: str, *, chooses: bool
) -> None:
    """With Apply it moves requests of the default; with Observe nothing changes."""
    new = f"  predictor: {{mode: {mode}, objective: {{prefer: Quality}}}}\n  modelNames:"
    policy = variant(tmp_path, "  modelNames:", new)
    asked = ["simulate", "-f", str(policy), "--against", str(DESK), "--traffic", str(traffic)]
    assert main([*asked, "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert any(one["from"] != one["to"] for one in told["backends"]) is chooses
    noted = " ".join(told["notes"])
    assert ("chose by what is published" in noted) is chooses


def test_what_was_learned_needs_a_ledger(tmp_path: Path, traffic: Path, capsys: Capture) -> None:
    """One line, and no replay."""
    policy = variant(tmp_path, "  modelNames:", "  predictor: {mode: Apply}\n  modelNames:")
    asked = ["simulate", "-f", str(policy), "--traffic", str(traffic), "--learned"]
    assert main(asked) == 2
    assert "--learned needs --ledger" in capsys.readouterr().err
    assert main([*asked, "--ledger", str(tmp_path / "none.db")]) == 1
    assert "none.db" in capsys.readouterr().err


GOVERNED = f"""
apiVersion: {API_VERSION}
kind: ModelBackend
metadata: {{name: own}}
spec:
  model: m
  deployment: {{engine: Simulator}}
  governance: {{dataHandling: {{maxDataClass: Restricted}}}}
---
apiVersion: {API_VERSION}
kind: ModelBackend
metadata: {{name: web}}
spec: {{model: m, deployment: {{engine: Simulator}}}}
---
apiVersion: {API_VERSION}
kind: RoutingPolicy
metadata: {{name: desk}}
spec:
  modelNames: [auto]
  default:
    targets: [{{backendRef: {{name: web}}, weight: 9}}, {{backendRef: {{name: own}}}}]
"""


@pytest.mark.parametrize(
    ("headers", "backends"),
    [
        ({}, ["web", "web", "own"]),
        ({"x-pointsman-data-class": "Public"}, ["web", "web", "own"]),
        ({"x-pointsman-data-class": "Internal"}, ["own", "own", "own"]),
        ({"x-pointsman-data-class": "nothing"}, ["own", "own", "own"]),
    ],
)
def test_a_class_of_data_leaves_whom_a_router_would_leave(
    headers: dict[str, str], backends: list[str], tmp_path: Path
) -> None:
    """What is no class counts as the strictest, since a router refuses it."""
    file = tmp_path / "desk.yaml"
    file.write_text(GOVERNED)
    side = Side(compiled([str(file)]), None, 1_800_000_000.0)
    line = json.dumps({"request": body("hi"), "headers": headers}).encode()
    seen = seen_of_line(line)
    assert [side.route(seen, die, Assumed()).backend for die in (0.0, 0.5, 0.99)] == backends
