"""A policy's last requests, from either store: which, in which order, and what is known of them."""

from pathlib import Path

import pytest

from pointsman.api.tasks import Complexity, Domain, Task
from pointsman.ledger.asking import ask_recent
from pointsman.ledger.contract import Store
from pointsman.ledger.recent import COLUMNS, Recorded, facts_of
from tests.ledger.events import DAY_MS, NOW_MS, batch, request
from tests.ledger.test_labels import ingest
from tests.ledger.test_service import ledger


def found(store: Store, limit: int = 100, days: int = 7, policy: str = "support") -> list[str]:
    """Decisions."""
    told = ask_recent(store, policy, NOW_MS - days * DAY_MS, NOW_MS, limit)
    return [one.decision for one in told.requests]


def test_the_newest_come_first_over_the_days(store: Store) -> None:
    """Of this policy only, and not more than were asked for."""
    ingest(
        store,
        *[request(number, at_ms=NOW_MS - (6 - number) * DAY_MS) for number in range(6)],
        request(7, policy="other"),
    )
    assert found(store) == ["d-5", "d-4", "d-3", "d-2", "d-1", "d-0"]
    assert found(store, limit=2) == ["d-5", "d-4"]
    assert found(store, days=2) == ["d-5", "d-4"]
    assert found(store, policy="nobody") == []


def test_what_routing_sees_is_told_and_no_more(store: Store) -> None:
    """Every column comes back as it was recorded."""
    asked = request(
        1, task="Coding", complexity="Complex", domain="Law", language="de", confidence=0.5,
        context_tokens=90, tools=True, candidates=("a", "b"), cached_tokens=7,
    )  # fmt: skip
    ingest(store, asked)
    (one,) = ask_recent(store, "support", NOW_MS - DAY_MS, NOW_MS, 1).requests
    assert {name: getattr(one, name) for name in COLUMNS} == {
        name: getattr(asked, name) for name in COLUMNS
    }
    facts = facts_of(one)
    assert facts == facts_of(asked)
    assert (facts.analysis.task, facts.analysis.decided) == (Task.CODING, True)
    assert (facts.analysis.complexity, facts.analysis.domain) == (Complexity.COMPLEX, Domain.LAW)
    assert (facts.caller, facts.team, facts.tools) == ("app", "blue", True)


def test_words_of_later_versions_are_no_error() -> None:
    """A task that this one does not know was not decided."""
    facts = facts_of(
        Recorded(decision="d", at_ms=1, revision="r", rule="x", task="Poetry", domain="Moon")
    )
    assert (facts.analysis.decided, facts.analysis.language) == (False, "und")


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", ["", "?policy=", "?policy=x&limit=0", "?policy=x&limit=10001", "?policy=x&since=y"]
)
async def test_over_http(tmp_path: Path, wrong: str) -> None:
    """With a clear answer to a bad question."""
    async with ledger(tmp_path) as client:
        client.store.ingest([batch([request(1), request(2)])], NOW_MS)
        status, told = await client.get("/v1/recent?policy=support&since=2026-01-01&limit=1")
        assert (status, len(told["requests"])) == (200, 1)
        assert (await client.get(f"/v1/recent{wrong}"))[0] == 400
