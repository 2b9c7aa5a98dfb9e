"""Which of several releases serves a namespace."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.claim import older_release


def deployment(release: str, created: str, *, deleted: bool = False) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": f"{release}-operator",
        "creationTimestamp": created,
        "labels": {"app.kubernetes.io/instance": release},
    }
    if deleted:
        about["deletionTimestamp"] = created
    return {"metadata": about}


def test_the_oldest_serves_and_the_next_one_follows_when_it_goes() -> None:
    """Also while the oldest is being deleted."""
    old, new = deployment("z", "2026-01-01T00:00:00Z"), deployment("a", "2026-01-02T00:00:00Z")

    assert older_release([new, old], release="z") is None
    assert older_release([new, old], release="a") == "z"
    going = deployment("z", "2026-01-01T00:00:00Z", deleted=True)
    assert older_release([new, going], release="a") is None


def test_an_operator_without_a_deployment_serves_where_nobody_else_does() -> None:
    """It may have been started by hand."""
    assert older_release([], release="mine") is None
    assert older_release([deployment("a", "2026-01-01T00:00:00Z")], release="mine") == "a"


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=1), st.randoms())
def test_exactly_one_of_them_serves(ages: dict[str, int], dice: Any) -> None:
    """Whatever their ages, also equal ones, and in whatever order each sees them."""

    def seen() -> list[dict[str, Any]]:
        found = [deployment(name, f"2026-01-0{age + 1}T00:00:00Z") for name, age in ages.items()]
        dice.shuffle(found)
        return found

    verdicts = {name: older_release(seen(), release=name) for name in ages}
    serving = [name for name, older in verdicts.items() if older is None]

    assert len(serving) == 1
    assert {older for older in verdicts.values() if older} <= set(serving)
