"""What a backend calls itself: a hard sign, and none of the usual to and fro of providers."""

import pytest

from pointsman.operator.plan.drifting.folding import rebaselined
from pointsman.operator.plan.drifting.identifying import MOST, looked_at, said_in
from pointsman.operator.plan.drifting.record import Names
from pointsman.operator.plan.drifting.telling import samples, told
from pointsman.operator.plan.drifting.wish import Wish
from tests.operator.drifting.runs import BEGIN_MS, WISH, folded, model_run

FIELDS = ("model", "fingerprint")


def heard(names: Names, *said: dict[str, int], learning: bool = False) -> tuple[Names, list[str]]:
    """Fingerprints of answers, run after run."""
    news: list[str] = []
    for one in said:
        names, fresh = looked_at(
            names, {"fingerprint": one}, FIELDS, learning=learning, at_ms=BEGIN_MS
        )
        news += [f"{'back ' if each.back else ''}{each.before} {each.after}" for each in fresh]
    return names, news


def test_another_name_in_most_answers_is_a_change_told_once() -> None:
    """From the first run on; a third name is another change."""
    names, news = heard(Names(), {"a": 9}, {"b": 9}, {"b": 9}, {"c": 9})

    assert news == ["a b", "b c"]
    assert names.changed["fingerprint"].after == "c"


def test_several_names_at_once_are_usual() -> None:
    """A provider with several machines: each of the names, in whatever shares."""
    names, _ = heard(Names(), {"a": 5, "b": 4}, {"a": 8, "c": 1}, learning=True)

    assert heard(names, {"b": 9}, {"c": 9}, {"a": 3, "b": 3, "c": 3}, {"a": 5, "d": 4})[1] == []


def test_silence_is_no_change() -> None:
    """Some servers do not say it, or not always."""
    names, _ = heard(Names(), {"a": 9})

    assert heard(names, {}, {}, {"a": 1}) == (names, [])
    assert said_in([("", ""), ("m", "")]) == {"model": {"m": 1}, "fingerprint": {}}


def test_what_was_usual_before_is_a_recovery() -> None:
    """The provider took it back."""
    names, news = heard(Names(), {"a": 9}, {"b": 9}, {"a": 9})

    assert news == ["a b", "back b a"]
    assert names.changed == {}


def test_what_is_remembered_has_a_bound() -> None:
    """A server that makes up a name for each answer."""
    names, _ = heard(Names(), {str(n): 1 for n in range(200)}, learning=True)

    assert len(names.known["fingerprint"]) == MOST


def test_it_is_told_in_condition_event_and_metric() -> None:
    """And outranks an improvement; a person accepts it."""
    runs = [model_run(n, model="m-1", fingerprint="f") for n in range(5)]
    runs += [model_run(n, model="m-2", fingerprint="f", gained={"Chat": 1}) for n in range(5, 15)]
    record, news = folded(runs)
    condition = told(record, WISH).condition

    assert (condition.status, condition.reason) == (True, "IdentityChanged")
    assert "answers say model 'm-2', and said 'm-1' until 2026-09-21T19:43:20Z" in condition.message
    assert samples(record, WISH) >= {("all", "IdentityChanged"), ("Chat", "Better")}
    assert (news[0].reason, news[0].kind) == ("Drifted", "Warning")
    record, _ = rebaselined(record, "yes", WISH, now_ms=BEGIN_MS)
    assert told(record, WISH).condition.reason == "Steady"
    record, news = folded([model_run(15, model="m-2", fingerprint="f", gained={"Chat": 1})], record)
    assert news == []


def test_a_change_while_the_baseline_is_gathered_begins_it_anew() -> None:
    """Five runs of two models are no baseline of either."""
    runs = [model_run(n, model="m-1" if n < 3 else "m-2") for n in range(7)]
    record, _ = folded(runs)
    assert told(record, WISH).condition.reason == "IdentityChanged"
    record, _ = rebaselined(record, "yes", WISH, now_ms=BEGIN_MS)
    assert told(record, WISH).condition.message.startswith("4 of 5 runs")
    record, _ = folded([model_run(7, model="m-2")], record)

    assert told(record, WISH).condition.reason == "Steady"


@pytest.mark.parametrize(("fields", "status"), [((), False), (("model",), False), (FIELDS, True)])
def test_the_spec_chooses_what_counts(fields: tuple[str, ...], status: bool) -> None:
    """A provider that renames its fingerprints each week; also once the spec is edited."""
    runs = [model_run(n, model="m", fingerprint="f" if n < 5 else "g") for n in range(7)]
    wish = Wish(model="model-a", golden=True, fields=fields)
    record, _ = folded(runs, wish=wish)

    assert told(record, wish).condition.status is status
    assert told(folded(runs)[0], wish).condition.status is status
