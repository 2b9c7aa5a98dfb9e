"""Which review a request needs: the strictest of its reasons, by the code that routers run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import Analysis, Task
from pointsman.api.dataclass import CLASSES
from pointsman.api.governed import Approved
from pointsman.api.reviewing import (
    MODES,
    PRIORITIES,
    DataClassReview,
    HumanReview,
    LowConfidence,
    Review,
)
from pointsman.api.table import (
    Backend,
    Match,
    PolicyBlob,
    Route,
    ServiceAddress,
    TableError,
    Target,
)
from pointsman.routing import CompiledPolicy, RequestFacts, compile_policy, decide
from pointsman.routing.review import Need, look, needed, taking

reviews = st.builds(
    Review,
    mode=st.sampled_from(MODES),
    stage=st.sampled_from(["Request", "Answer"]),
    priority=st.sampled_from(PRIORITIES),
)
some = st.none() | reviews
LOW = Review(mode="Flag", priority="High")


def backend(name: str, **more: object) -> Backend:
    address = ServiceAddress(namespace="default", service=name, port=1)
    return Backend(name=name, model=name, address=address, **more)  # type: ignore[arg-type]


def policy(
    human: HumanReview | None, review: Review | None = None, *backends: Backend, **route: str
) -> CompiledPolicy:
    """One rule `own`, and a default without a review."""
    targets = (Target(backend="a"),)
    known = {one.name: one for one in (backend("a"), *backends)}
    match = Match(metadata={"own": "yes"})
    routes = (
        Route(name="own", targets=targets, match=match, review=review, **route),  # type: ignore[arg-type]
        Route(name="default", targets=targets),
    )
    blob = PolicyBlob(
        namespace="default", name="desk", revision="r", model_names=("auto",), routes=routes,
        backends=known, review=human,
    )  # fmt: skip
    return compile_policy(blob, "d")


def facts(confidence: float = 0.9, own: bool = True) -> RequestFacts:
    analysis = Analysis(Task.CHAT, True, "en", 10, confidence, ())
    return RequestFacts(analysis=analysis, metadata={"own": "yes"} if own else {})


@given(of_rule=some, low=some, of_class=some, sure=st.booleans(), rank=st.integers(0, 3))
def test_the_strictest_reason_wins(
    of_rule: Review | None, low: Review | None, of_class: Review | None, sure: bool, rank: int
) -> None:
    """No reason makes a review milder than another asks for."""
    human = HumanReview(
        escalate_to=("a",),
        low_confidence=LowConfidence(below=0.5, review=low) if low else None,
        data_class=DataClassReview(at_least="Confidential", review=of_class) if of_class else None,
    )
    compiled = policy(human, of_rule)
    applying = [
        one
        for one, holds in ((of_rule, True), (low, not sure), (of_class, rank >= 2))
        if one is not None and holds
    ]
    if compiled.review is None:
        assert applying == []
        return
    confidence = 0.9 if sure else 0.1
    need = needed(compiled.review, compiled.routes[0], confidence=confidence, rank=rank)
    if not applying:
        assert need is None
        return
    assert need is not None
    assert need.mode == max((one.mode for one in applying), key=MODES.index)
    assert need.priority == max((one.priority for one in applying), key=PRIORITIES.index)
    if need.mode == "Hold":
        held = {one.stage for one in applying if one.mode == "Hold"}
        assert need.stage == ("Request" if "Request" in held else "Answer")


def test_a_policy_that_asks_for_nothing_has_no_review() -> None:
    """So that its requests are not looked at."""
    assert policy(None).review is None
    assert policy(HumanReview()).review is None
    assert not policy(HumanReview()).reads_text
    assert policy(HumanReview(low_confidence=LowConfidence(below=0.5, review=LOW))).reads_text


def test_a_table_that_does_not_fit_is_refused() -> None:
    """Whole, so that the one in force stays."""
    with pytest.raises(TableError, match="nothing says how"):
        policy(None, LOW)
    with pytest.raises(TableError, match="no class of data"):
        policy(HumanReview(data_class=DataClassReview(at_least="Secret", review=LOW)))
    with pytest.raises(TableError, match="backend b"):
        policy(HumanReview(escalate_to=("b",)), LOW)
    with pytest.raises(TableError, match="backend b"):
        policy(HumanReview(fallback="b"), LOW)


def test_the_rules_own_class_counts() -> None:
    """Whoever says nothing of it is still of the rule's class."""
    human = HumanReview(data_class=DataClassReview(at_least="Restricted", review=LOW))
    compiled = policy(human, data_class="Restricted")
    assert compiled.review is not None
    need = needed(compiled.review, compiled.routes[0], confidence=1.0, rank=0)
    assert need == Need("Flag", "Answer", "High", "DataClass", "Restricted")
    assert needed(compiled.review, compiled.routes[1], confidence=1.0, rank=0) is None


@pytest.mark.parametrize("rank", range(len(CLASSES)))
def test_what_is_escalated_goes_to_who_may_have_it(rank: int) -> None:
    """In the order of escalateTo, without whom the class, an approval or a window leaves out."""
    backends = (
        backend("late", max_data_class="Restricted", approval=Approved(from_s=0, until_s=100)),
        backend("tiny", max_data_class="Restricted", context_window=5),
        backend("half", max_data_class="Internal"),
        backend("all", max_data_class="Restricted"),
    )
    human = HumanReview(escalate_to=("late", "tiny", "half", "all"))
    compiled = policy(human, Review(mode="Escalate"), *backends)
    decision = decide(compiled, facts(), dice=0.0, explain=True)
    found, need = look(decision, facts(), rank=rank, now_s=100.0)
    assert need is not None
    names = [one.name for one in found.candidates]
    assert names == (["half", "all"] if rank < 2 else ["all"])
    assert {one.backend for one in found.skipped} >= {"late", "tiny"}
    assert f"review: {need.words()}" in found.evidence
    early, _ = look(decision, facts(), rank=rank, now_s=99.0)
    assert early.candidates[0].name == "late"


def test_what_needs_no_review_is_decided_as_before() -> None:
    """The very same decision."""
    compiled = policy(HumanReview(), Review(mode="Hold"))
    decision = decide(compiled, facts(own=False), dice=0.0)
    assert look(decision, facts(own=False), rank=0, now_s=None) == (decision, None)
    held, need = look(decide(compiled, facts(), dice=0.0), facts(), rank=0, now_s=None)
    assert need is not None
    assert [one.name for one in held.candidates] == ["a"]


def test_a_policy_can_be_cut_to_one_rule() -> None:
    """Whatever the request's headers say by now."""
    compiled = policy(HumanReview(), Review(mode="Hold"))
    only = taking(compiled, "own")
    assert only is not None
    assert decide(only, facts(own=False), dice=0.0).route.route.name == "own"
    assert taking(compiled, "gone") is None
