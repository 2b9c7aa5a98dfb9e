"""Which backends a policy may use: what they state, who approved them, and until when."""

import json
from copy import deepcopy
from datetime import datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.api.conditions import Condition, Reason
from pointsman.api.governed import Approved
from pointsman.api.v1alpha1 import Governance, PolicyGovernance
from pointsman.api.validation import ApiModel, Invalid
from pointsman.operator import metrics
from pointsman.operator.controllers.backends import tell_end
from pointsman.operator.controllers.requirements import Requirements
from pointsman.operator.plan.backend_status import Surroundings, backend_status
from pointsman.operator.plan.blobs import requiring
from pointsman.operator.plan.objects import observed_backend, observed_policy
from pointsman.operator.plan.policy_status import policy_status
from pointsman.operator.plan.table import TablePlan, compile_revision, compile_table
from pointsman.operator.plan.vetting import backend_condition, lacking
from tests.operator.objects import (
    NAMESPACE,
    NOW,
    accepted,
    backend,
    backends,
    blob_of,
    compiled,
    policy,
    route,
    rule,
    target,
)
from tests.support.conditions import assert_well_formed, unexplained

DIGEST = "sha256:" + "5f" * 32
FROM, UNTIL = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"


M = TypeVar("M", bound=ApiModel)


def read(kind: type[M], value: dict[str, Any]) -> M:
    return kind.model_validate_json(json.dumps(value))


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def approval(**more: Any) -> dict[str, Any]:
    return {
        "by": "ada@example.org", "evidence": "https://example.org/1", "modelDigest": DIGEST,
        "approvedAt": FROM, "expiresAt": UNTIL, **more,
    }  # fmt: skip


def vetted(name: str, **more: Any) -> dict[str, Any]:
    about = {"provenance": {"digest": DIGEST}, "approval": approval()}
    return backend(name, governance={**about, **more})


def asking(item: dict[str, Any], **require: Any) -> dict[str, Any]:
    """The policy with these requirements, and approval."""
    found = deepcopy(item)
    found["spec"]["governance"] = {"require": {"approved": True, **require}}
    return found


KNOWN = backends(vetted("a"), backend("b"), vetted("c"), vetted("d"))


def plan_of(item: dict[str, Any], now: str = NOW, known: Any = None) -> TablePlan:
    return compile_table(
        namespace=NAMESPACE,
        backends=KNOWN if known is None else known,
        policies=[observed_policy(item)],
        accepted=accepted(item),
        now_s=seconds(now),
    )


def named_in(blob: table.PolicyBlob) -> set[str]:
    """Whoever may get a request by this blob."""
    found = {one.backend for r in blob.routes for one in r.targets}
    found |= {name for r in blob.routes if r.fallback for name in r.fallback.chain}
    found |= set(blob.predictor.candidates) if blob.predictor else set()
    return found | set(blob.backends) - {blob.baseline}


def everywhere() -> dict[str, Any]:
    """`b`, which nobody approved, wherever a policy can name a backend."""
    desk = policy(
        model_names=("auto", "b"),
        rules=(
            rule("weights", {"task": ["Coding"]}, "a", "b"),
            rule("alone", {"task": ["Reasoning"]}, "b"),
            rule("chain", {"task": ["Chat"]}, "c", chain=("b", "a")),
            rule("behind", {"language": ["de"]}, "b", chain=("d",)),
        ),
        default={"targets": [target("a"), target("b", 9)]},
    )
    desk["spec"]["predictor"] = {
        "mode": "Apply", "candidates": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
        "objective": {"prefer": "Quality"},
    }  # fmt: skip
    desk["spec"]["baseline"] = {"name": "b"}
    return desk


def test_who_is_not_approved_stands_nowhere_in_the_table() -> None:
    """Weights, fallback, predictor, the model's own name: only the baseline, which is not asked."""
    plan = plan_of(asking(everywhere()))
    blob = blob_of(plan)

    assert named_in(blob) == {"a", "c", "d"}
    assert blob.baseline == "b"
    assert [r.left_out for r in blob.routes] == [
        {"b": "NotApproved"}, {"b": "NotApproved"}, {"b": "NotApproved"}, {"b": "NotApproved"},
        {"b": "NotApproved"},
    ]  # fmt: skip
    assert blob.routes[1].targets == ()
    assert named_in(blob_of(plan_of(everywhere()))) == {"a", "b", "c", "d"}


def test_neither_does_it_in_a_revision_that_is_tried() -> None:
    """Canary, shadow and replay compile revisions by the same way."""
    (revision,) = accepted(asking(everywhere())).values()
    blob = compile_revision(revision, namespace=NAMESPACE, backends=KNOWN)
    assert blob is not None
    assert named_in(table.decode_blob(blob)) == {"a", "c", "d"}


def test_an_approval_is_compiled_with_its_times() -> None:
    """So that routers need nobody to end it, and the same bytes come out at any time."""
    blob = blob_of(plan_of(asking(policy(default=route("a")))))
    assert blob.backends["a"].approval == Approved(from_s=seconds(FROM), until_s=seconds(UNTIL))
    assert blob_of(plan_of(policy(default=route("a")))).backends["a"].approval is None
    desk = asking(policy(default=route("a")))
    late = plan_of(desk, now="2028-01-01T00:00:00Z")
    assert late.entries == plan_of(desk).entries


STATED: dict[str, Any] = {
    "license": "MIT",
    "provenance": {"digest": DIGEST},
    "dataHandling": {
        "retention": "24h", "trainingUse": False, "regions": ["eu-1", "eu-2"],
        "certifications": ["SOC2", "C5"], "maxDataClass": "Internal",
    },
    "approval": approval(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("asks", "reason"),
    [
        ({"require": {"approved": True}}, None),
        ({"require": {"licenses": ["MIT", "Apache-2.0"]}}, None),
        ({"require": {"licenses": ["Apache-2.0"]}}, Reason.LICENSE_NOT_ALLOWED),
        ({"require": {"regions": ["eu-1", "eu-2", "us-1"]}}, None),
        ({"require": {"regions": ["eu-1"]}}, Reason.REGION_NOT_ALLOWED),
        ({"require": {"certifications": ["C5"]}}, None),
        ({"require": {"certifications": ["C5", "ISO27001"]}}, Reason.NOT_CERTIFIED),
        ({"require": {"noTraining": True}}, None),
        ({"require": {"maxRetention": "24h"}}, None),
        ({"require": {"maxRetention": "23h59m"}}, Reason.RETENTION_TOO_LONG),
        ({"dataClass": "Internal"}, None),
        ({"dataClass": "Confidential"}, Reason.DATA_CLASS_NOT_ALLOWED),
    ],
)
def test_what_is_asked_is_compared_with_what_is_stated(
    asks: dict[str, Any], reason: Reason | None
) -> None:
    """And who states nothing is left out by each of them, but for what anybody may be sent."""
    wanted = read(PolicyGovernance, asks)
    found = lacking(wanted, read(Governance, STATED))
    assert (found[0] if found else None) is reason
    assert lacking(wanted, None) is not None
    assert lacking(wanted, Governance()) is not None


def test_who_asks_nothing_leaves_nobody_out() -> None:
    """An empty governance, or one of the least class."""
    every: list[dict[str, Any]] = [
        {},
        {"require": {}},
        {"dataClass": "Public"},
        {"require": {"approved": False}},
    ]
    for asks in every:
        assert lacking(read(PolicyGovernance, asks), None) is None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "approved": st.booleans(),
            "licenses": st.lists(st.sampled_from(["MIT", "X"]), unique=True),
            "regions": st.lists(st.sampled_from(["eu-1", "eu-2"]), unique=True),
            "certifications": st.lists(st.sampled_from(["SOC2", "Y"]), unique=True),
            "noTraining": st.booleans(),
            "maxRetention": st.sampled_from(["1h", "24h", "48h"]),
        },
    ),
    st.sets(st.sampled_from(["license", "dataHandling", "approval"])),
)
def test_saying_less_never_lets_a_backend_in(asks: dict[str, Any], unsaid: set[str]) -> None:
    """Fail closed: whoever is left out with all its statements is left out without some."""
    wanted = read(PolicyGovernance, {"require": asks})
    less = {key: value for key, value in STATED.items() if key not in unsaid}
    if lacking(wanted, read(Governance, STATED)) is not None:
        assert lacking(wanted, read(Governance, less)) is not None


def status_of(plan: TablePlan, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return policy_status(plan.verdicts["desk"], [], stored=stored or {}, now=NOW)


def condition(status: dict[str, Any]) -> tuple[str, str, str]:
    found = [c for c in status["conditions"] if c["type"] == "Vetted"]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else ("",) * 3


def test_a_policy_says_who_is_left_out_and_why() -> None:
    """Beside Ready, with the field's path; nothing where nothing is asked."""
    status = status_of(plan_of(asking(policy(default=route("a", "b")))))
    place = "spec.default.targets[1].backendRef.name"
    assert condition(status) == (
        "False", "BackendsLeftOut",
        f"left out: {place}: b: NotApproved, it has no governance.approval",
    )  # fmt: skip
    assert_well_formed(status, generation=1)
    assert unexplained("RoutingPolicy", status) == []
    good = status_of(plan_of(asking(policy(default=route("a")))))
    assert condition(good)[:2] == ("True", "BackendsVetted")
    assert condition(status_of(plan_of(policy(default=route("b"))))) == ("", "", "")


def test_a_policy_says_that_an_approval_is_over() -> None:
    """By the time that it is; and that one has not begun."""
    desk = asking(policy(default=route("a")))
    assert "ApprovalExpired" in condition(status_of(plan_of(desk, now=UNTIL)))[2]
    early = plan_of(desk, now="2025-12-31T23:59:59Z")
    assert "ApprovalNotBegun" in condition(status_of(early))[2]


def vetted_condition(item: dict[str, Any], *by: str, now: str = NOW) -> Condition | None:
    (one,) = backends(item).values()
    assert not isinstance(one, Invalid)
    return backend_condition(one, by, now_s=seconds(now))


def test_a_backend_says_whether_it_may_be_used_now() -> None:
    """Only where somebody cares: it states something, or a policy requires its approval."""
    assert vetted_condition(backend("b")) is None
    told = {
        "none": vetted_condition(backend("b"), "desk"),
        "stated": vetted_condition(backend("b", governance={"license": "MIT"})),
        "good": vetted_condition(vetted("a")),
        "over": vetted_condition(vetted("a"), now=UNTIL),
        "early": vetted_condition(vetted("a"), now="2025-12-31T23:59:59Z"),
    }
    assert {key: (one.status, one.reason) if one else None for key, one in told.items()} == {
        "none": (False, Reason.NOT_APPROVED),
        "stated": (False, Reason.NOT_APPROVED),
        "good": (True, Reason.APPROVED),
        "over": (False, Reason.APPROVAL_EXPIRED),
        "early": (False, Reason.APPROVAL_NOT_BEGUN),
    }
    for one in told.values():
        item = vetted("a")
        status = backend_status(
            observed_backend(item), Surroundings(), namespace=NAMESPACE, stored={}, now=NOW,
            vetted=one,
        )  # fmt: skip
        assert_well_formed(status, generation=1)
        assert unexplained("ModelBackend", status) == []


def test_policies_that_require_a_backend_are_known_by_its_name() -> None:
    """In order, each once, and only those which ask for approval."""
    desk = observed_policy(asking(policy(default=route("a", chain=("b",))))).parsed
    other = observed_policy(policy("other", default=route("a"))).parsed
    assert not isinstance(desk, Invalid)
    assert not isinstance(other, Invalid)
    found = requiring({"z": desk.spec, "other": other.spec, "desk": desk.spec})
    assert found == {"a": ("desk", "z"), "b": ("desk", "z")}


def test_an_approval_moved_to_another_digest_is_no_backend() -> None:
    """What the API server did not refuse, the operator does not use."""
    moved = vetted("a", provenance={"digest": "sha256:" + "00" * 32})
    plan = compiled(asking(policy(default=route("a"))), known=backends(moved))
    assert not plan.verdicts["desk"].accepted.status
    assert plan.verdicts["desk"].resolved_refs.reason is Reason.BACKEND_INVALID


def test_when_an_approval_ends_is_a_metric_while_there_is_one() -> None:
    """Of a backend that goes, or is approved no longer, it goes."""

    def told() -> float | None:
        name = "pointsman_operator_approval_ends_timestamp_seconds"
        return metrics.REGISTRY.get_sample_value(name, {"backend": "told"})

    (good,) = backends(vetted("told")).values()
    (bare,) = backends(backend("told")).values()
    assert not isinstance(good, Invalid)
    assert not isinstance(bare, Invalid)
    for after in (bare, None):
        tell_end("told", good)
        assert told() == seconds(UNTIL)
        tell_end("told", after)
        assert told() is None


def outcome(item: dict[str, Any], *tests: dict[str, Any]) -> Condition:
    item["spec"]["tests"] = list(tests)
    own = vetted("a", dataHandling={"maxDataClass": "Restricted"})
    plan = plan_of(item, known=backends(own, backend("b"), vetted("c")))
    found = plan.verdicts["desk"].tests
    assert found is not None
    return found


def test_a_policys_tests_are_decided_by_the_class_that_they_say() -> None:
    """By header, metadata and text, as a router would; a time changes no verdict."""
    item = policy(default=route("b", "a"))
    item["spec"]["governance"] = {"detect": {"builtIn": ["Email"], "dataClass": "Confidential"}}
    to_a = {"backend": "a"}
    good: list[dict[str, Any]] = [
        {"name": "header", "prompt": "hi", "headers": {"x-pointsman-data-class": "internal"}},
        {"name": "metadata", "prompt": "hi", "metadata": {"data_class": "Restricted"}},
        {"name": "text", "prompt": "to ada@example.org"},
    ]
    assert outcome(item, *({**one, "expect": to_a} for one in good)).status
    for one in good:
        failed = outcome(item, {**one, "expect": {"backend": "b"}})
        assert "backend is a, not b" in failed.message
    wrong = {"name": "w", "prompt": "hi", "metadata": {"data_class": "Secret"}, "expect": to_a}
    assert "which is no class of data" in outcome(item, wrong).message


def test_requirements_tell_whose_status_has_more_to_say() -> None:
    """Of what changed, once."""
    told: list[str] = []
    requirements = Requirements(told.append)
    asked = plan_of(asking(policy(default=route("a", chain=("b",)))))
    requirements.note(asked)
    requirements.note(asked)
    assert sorted(told) == ["a", "b"]
    assert requirements.of("b") == ("desk",)
    requirements.note(plan_of(policy(default=route("a"))))
    assert sorted(told) == ["a", "a", "b", "b"]
    assert requirements.of("b") == ()
