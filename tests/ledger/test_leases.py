"""Slices of budgets: whatever is asked in whatever order, all together never pass the amount."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.events.leases import Asked, Granted, Wanted
from pointsman.ledger.contract import Store
from pointsman.ledger.leases import BadLease, Slice, Sum, grant, read
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS
from tests.ledger.test_contract import count, keeping
from tests.ledger.test_service import ledger

AMOUNT = 1000


def wanted(want: int, *, used: int = 0, **more: Any) -> Wanted:
    fields = {"budget": "default/desk/day", "from_ms": NOW_MS, "until_ms": NOW_MS + DAY_MS}
    return Wanted(**{**fields, "amount": AMOUNT, "want": want, "used": used, **more})


def asked(holder: str, turn: int, *budgets: Wanted) -> Asked:
    return Asked(holder=holder, turn=turn, budgets=budgets)


def lend(store: Store, holder: str, turn: int, want: int, **more: Any) -> Granted:
    (found,) = store.lend(asked(holder, turn, wanted(want, **more)))
    return found


questions = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(-1, 2), st.integers(0, 1500), st.integers(0, 100),
        st.integers(0, 400),
    ),
    max_size=40,
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(questions)
def test_all_slices_together_never_pass_the_amount(
    sequence: list[tuple[int, int, int, int, int]],
) -> None:
    """Holders use at most their slices; questions come late, twice, or never."""
    slices = [Slice() for _ in range(4)]
    used, turns, total = [0] * 4, [0] * 4, Sum()
    for holder, turn, want, part, least in sequence:
        turns[holder] = max(1, turns[holder] + turn)
        late = turns[holder] <= slices[holder].turn
        if not late:
            used[holder] += (slices[holder].granted - used[holder]) * part // 100
        # A holder gives back at once what it says that it wants no more.
        ask = wanted(want, used=used[holder], least=least)
        before = slices[holder]
        slices[holder], total = grant(ask, turns[holder], before, total)
        assert (slices[holder] is before) is late
        assert total.granted == sum(one.granted for one in slices) <= AMOUNT
        assert total.used == sum(one.used for one in slices) <= total.granted
        assert all(one.used <= one.granted for one in slices)
        if not late and want > before.granted and total.granted < AMOUNT:
            assert slices[holder].granted > before.granted


def test_what_is_used_past_a_slice_is_not_hidden() -> None:
    """An answer that was longer than reserved: nobody gets more before it is paid."""
    mine, total = grant(wanted(AMOUNT, used=1200, least=AMOUNT), 1, Slice(), Sum())
    assert (mine.granted, total.granted, total.used) == (1200, 1200, 1200)
    other, _ = grant(wanted(10), 1, Slice(), total)
    assert other.granted == 0


def test_slices_in_a_store(store: Store) -> None:
    """Half of what is left, or what is needed; given back, it is there for others."""
    assert lend(store, "a", 1, 600) == Granted("default/desk/day", NOW_MS, 500, 500, 0)
    assert lend(store, "b", 1, 600).granted == 250
    assert lend(store, "b", 2, 600, least=500).granted == 500
    assert lend(store, "c", 1, 1).granted == 0
    back = lend(store, "a", 2, 100, used=150)
    assert (back.granted, back.granted_to_all, back.used_by_all) == (150, 650, 150)
    assert lend(store, "c", 2, 100).granted == 100


def test_a_question_that_comes_twice_or_late_changes_nothing(store: Store) -> None:
    """Its answer may have been lost, or it may have lain in a queue."""
    first = lend(store, "a", 5, 100)
    assert lend(store, "a", 5, 100) == first
    assert lend(store, "a", 4, 0).granted == first.granted == 100
    assert lend(store, "a", 6, 0).granted == 0


def test_windows_and_budgets_are_apart(store: Store) -> None:
    """The next day begins anew; answers are in the order of the question."""
    found = store.lend(
        asked("a", 1, wanted(500, budget="z"), wanted(500, budget="b"),
              wanted(400, budget="z", from_ms=NOW_MS + DAY_MS, until_ms=NOW_MS + 2 * DAY_MS))
    )  # fmt: skip
    assert [(one.budget, one.granted) for one in found] == [("z", 500), ("b", 500), ("z", 400)]


def test_another_amount_counts_from_the_next_question_on(store: Store) -> None:
    """More may be granted at once; less takes nothing from who has it."""
    assert lend(store, "a", 1, 1000, least=1000).granted == 1000
    assert lend(store, "b", 1, 100, amount=2000).granted == 100
    assert lend(store, "b", 2, 200, amount=500).granted == 100


def test_slices_survive_a_restart(place: Place) -> None:
    """They are in the store before they are answered."""
    store = place.store()
    store.open()
    lend(store, "a", 1, 400, used=0)
    store.close()
    again = place.store()
    again.open()
    assert lend(again, "b", 1, 1000, least=600).granted == 600


def test_many_at_once_never_pass_the_amount(place: Place) -> None:
    """From several ledgers on one store, each in its threads."""
    stores = [place.store() for _ in range(1 if place.kind == "sqlite" else 2)]
    for store in stores:
        store.open()

    def work(number: int) -> int:
        store, granted = stores[number % len(stores)], 0
        for turn in range(1, 11):
            granted = lend(store, f"h{number}", turn, granted + 50, least=granted + 50).granted
        return granted

    with ThreadPoolExecutor(4) as threads:
        granted = list(threads.map(work, range(8)))
    assert sum(granted) == AMOUNT


def test_old_windows_are_removed(store: Store) -> None:
    """Sums of budgets as long as rollups, who had them as long as requests."""
    lend(store, "a", 1, 100)
    store.keep(keeping(NOW_MS + 20 * DAY_MS))
    assert (count(store, "budgets"), count(store, "leases")) == (1, 1)
    store.keep(keeping(NOW_MS + 32 * DAY_MS))
    assert (count(store, "budgets"), count(store, "leases")) == (1, 0)
    store.keep(keeping(NOW_MS + 402 * DAY_MS))
    assert (count(store, "budgets"), count(store, "leases")) == (0, 0)


GOOD = msgspec.to_builtins(asked("a", 1, wanted(100)))


@pytest.mark.parametrize(
    "change",
    [
        {"holder": ""}, {"holder": "a b"}, {"holder": "a\n"},
        {"turn": 0}, {"turn": "1"}, {"budgets": None}, {"x": 1},
        {"budgets": [{**GOOD["budgets"][0], "want": -1}]},
        {"budgets": [{**GOOD["budgets"][0], "amount": 2**60}]},
        {"budgets": [{**GOOD["budgets"][0], "budget": "a\x00"}]},
        {"budgets": [{**GOOD["budgets"][0], "until_ms": NOW_MS}]},
        {"budgets": GOOD["budgets"] * 2},
        {"budgets": [{**GOOD["budgets"][0], "from_ms": n} for n in range(1001)]},
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(change: dict[str, Any]) -> None:
    """With a reason."""
    assert read(msgspec.json.encode(GOOD)).holder == "a"
    with pytest.raises(BadLease, match=r"."):
        read(msgspec.json.encode({**GOOD, **change}))


async def test_over_http(tmp_path: Path) -> None:
    """As a router asks; nonsense is 400, too much is 413."""
    async with ledger(tmp_path) as client:

        async def post(body: bytes) -> tuple[int, Any]:
            async with client.session.post("/v1/leases", data=BytesIO(body)) as answer:
                return answer.status, await answer.json()

        status, found = await post(msgspec.json.encode(GOOD))
        assert status == 200
        assert found == {
            "slices": [
                {"budget": "default/desk/day", "from_ms": NOW_MS, "granted": 100,
                 "granted_to_all": 100, "used_by_all": 0}
            ]
        }  # fmt: skip
        assert (await post(b"[1]"))[0] == 400
        assert (await post(b"\xff" * 10))[0] == 400
        assert (await post(b"[" * 100_000))[0] == 400
        assert (await post(b" " * 1_100_000))[0] == 413
