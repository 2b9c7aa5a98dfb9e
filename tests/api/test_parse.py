"""parse(): one verdict, a path for each problem, and the API server's words."""

import math
from copy import deepcopy
from typing import Any

import pytest

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import ApiModel, Invalid, parse, path_of


def policy(**changes: Any) -> dict[str, Any]:
    """A valid policy with one rule."""
    rule = {
        "name": "code",
        "match": {"task": ["Coding"]},
        "targets": [{"backendRef": {"name": "a"}}],
    }
    spec: dict[str, Any] = {
        "modelNames": ["auto"],
        "rules": [rule],
        "default": {"targets": [{"backendRef": {"name": "a"}}]},
    }
    return {"metadata": {"name": "p"}, "spec": spec | changes}


def backend(**changes: Any) -> dict[str, Any]:
    """A valid backend."""
    spec = {"model": "m", "deployment": {"engine": "Simulator"}}
    return {"metadata": {"name": "b"}, "spec": spec | changes}


def problems(model: type[ApiModel], value: dict[str, Any]) -> dict[str, str]:
    """Path -> message of everything that is wrong."""
    with pytest.raises(Invalid) as caught:
        parse(model, value)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_defaults_are_filled() -> None:
    """What a policy leaves out has the documented value."""
    parsed = parse(RoutingPolicy, policy())
    assert parsed.spec.rules_[0].targets[0].weight == 1
    assert parsed.spec.default.timeouts.first_token == "30s"


def test_every_problem_is_reported_with_its_path() -> None:
    """Not only the first one."""
    value = policy(modelNames=["auto", "auto"])
    value["spec"]["rules"][0]["targets"][0] |= {"weight": -1}
    value["spec"]["default"]["timeout"] = "3s"
    assert problems(RoutingPolicy, value) == {
        "spec.rules[0].targets[0].weight": (
            "Invalid value: -1: should be greater than or equal to 0"
        ),
        "spec.default.timeout": 'unknown field "timeout" (did you mean timeouts?)',
    }


def test_rules_name_the_field_and_the_reason() -> None:
    """A broken rule points at its field, and carries the reason for the condition."""
    value = policy()
    value["spec"]["rules"][0]["match"] = {"contextTokens": {"min": 2, "max": 1}}
    with pytest.raises(Invalid) as caught:
        parse(RoutingPolicy, value)
    (problem,) = caught.value.problems
    assert problem.path == "spec.rules[0].match.contextTokens.min"
    assert problem.reason is Reason.INVALID_RANGE
    assert str(caught.value) == f"{problem.path}: min must not be larger than max"


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"model": None}, "spec.model", "Required value"),
        ({"model": 3}, "spec.model", 'must be of type string: "integer" (quote it: "3")'),
        ({"family": "qwen"}, "spec.family", "(did you mean Qwen?)"),
        ({"replicas": "2"}, "spec.replicas", 'must be of type integer: "string"'),
        ({"replicas": True}, "spec.replicas", 'must be of type integer: "boolean"'),
        ({"deployment": []}, "spec.deployment", 'must be of type object: "array"'),
        ({"model": "m" * 254}, "spec.model", "Too long: may not be more than 253 bytes"),
        ({"capabilities": {}}, "spec.capabilities", 'must be of type array: "object"'),
        (
            {"capabilities": "Tools"},
            "spec.capabilities",
            'must be of type array: "string" (did you mean ["Tools"]?)',
        ),
        ({"model": "m\n"}, "spec.model", "should match"),
        ({"activation": {"timeout": "10"}}, "spec.activation.timeout", "(did you mean 10s?)"),
    ],
)
def test_wrong_values_are_named_as_by_the_api_server(
    changes: dict[str, Any], path: str, message: str
) -> None:
    """One clear sentence for each kind of mistake."""
    assert message in problems(ModelBackend, backend(**changes))[path]


@pytest.mark.parametrize(
    ("language", "said", "meant"),
    [
        ("EN", "Invalid value: \"EN\": should match '^[a-z]{2,3}$'", "; did you mean en?"),
        ("de-AT", "Too long: may not be more than 3 bytes", "; did you mean de?"),
        ("zh_Hant_TW", "Too long: may not be more than 3 bytes", "; did you mean zh?"),
        ("German", "Too long: may not be more than 3 bytes", ""),
        ("d", "Invalid value: \"d\": should match '^[a-z]{2,3}$'", ""),
    ],
)
def test_a_language_by_another_name_is_answered_by_what_one_is(
    language: str, said: str, meant: str
) -> None:
    """A length or a pattern alone would not say that codes are meant."""
    value = policy()
    value["spec"]["rules"][0]["match"] = {"language": ["en", language]}
    assert problems(RoutingPolicy, value) == {
        "spec.rules[0].match.language[1]": (
            f"{said} (a language is its code in ISO 639-1, such as de or zh{meant})"
        )
    }


def test_a_bare_on_is_explained() -> None:
    """YAML 1.1 makes `on:` the key true; the message says so."""
    value = policy()
    value["spec"]["default"]["true"] = ["Error"]
    assert "YAML reads a bare on" in problems(RoutingPolicy, value)["spec.default.true"]


def test_nulls_count_as_absent() -> None:
    """`fallback:` with nothing behind it is no fallback, as for the API server."""
    value = policy()
    value["spec"]["rules"][0] |= {"fallback": None, "timeouts": None}
    value["spec"]["rules"][0]["match"]["metadata"] = {"team": None}
    assert parse(RoutingPolicy, value) == parse(RoutingPolicy, policy())


def test_an_unknown_field_is_unknown_also_when_it_is_null() -> None:
    """The API server prunes what it knows; strict validation names the rest."""
    assert problems(RoutingPolicy, policy(extra=None)) == {"spec.extra": 'unknown field "extra"'}
    assert parse(RoutingPolicy, policy(extra=None), unknown="drop")


def test_nulls_in_lists_are_refused() -> None:
    """There is no absent element."""
    found = problems(RoutingPolicy, policy(modelNames=["auto", None]))
    assert found == {"spec.modelNames[1]": 'must be of type string: "null"'}


def test_quantities_may_be_integers() -> None:
    """`cpu: 2` is what pods take, too."""
    deployment = {"engine": "Simulator", "resources": {"limits": {"cpu": 2, "memory": "4Gi"}}}
    parsed = parse(ModelBackend, backend(deployment=deployment))
    assert parsed.spec.deployment is not None
    assert parsed.spec.deployment.resources is not None
    assert parsed.spec.deployment.resources.limits == {"cpu": "2", "memory": "4Gi"}


def test_unknown_fields_can_be_dropped() -> None:
    """An object that a newer release stored is read by an older one; the value is not changed."""
    value = policy(spotChecks={"mode": "Flag"})
    value["spec"]["default"]["targets"][0]["zone"] = "a"
    before = deepcopy(value)
    assert parse(RoutingPolicy, value, unknown="drop") == parse(RoutingPolicy, policy())
    assert value == before


def test_dropping_does_not_forgive_the_rest() -> None:
    """Known fields are checked all the same."""
    value = policy(humanReview={}, modelNames=[])
    with pytest.raises(Invalid, match="at least 1 items"):
        parse(RoutingPolicy, value, unknown="drop")


def test_what_is_not_json_is_refused() -> None:
    """NaN is no JSON number."""
    assert "not JSON" in problems(ModelBackend, backend(replicas=math.nan))[""]


def test_urls_are_matched_whole() -> None:
    """A newline at the end does not slip past `$`, which RE2 and Python read differently."""
    external = {"url": "https://a.example/v1\n"}
    found = problems(
        ModelBackend, {"metadata": {"name": "b"}, "spec": {"model": "m", "external": external}}
    )
    assert "url must begin with https://" in found["spec.external.url"]


def test_paths_read_like_kubernetes_paths() -> None:
    """Numbers in brackets, names with dots between."""
    assert path_of(("spec", "rules", 0, "name")) == "spec.rules[0].name"
    assert path_of(()) == ""


def test_patterns_to_detect_are_small_together() -> None:
    """They are searched for while requests wait; those of what is kept are not."""
    large = ["(?s)a.{99}.{99}.{99}c"]
    detect = {"dataClass": "Confidential", "patterns": large}
    found = problems(RoutingPolicy, policy(governance={"detect": detect}))
    assert list(found) == ["spec.governance.detect.patterns"]
    assert "over 500 instructions together" in found["spec.governance.detect.patterns"]
    detect = {"dataClass": "Confidential", "patterns": [r"\bACME-[0-9]{6}\b"] * 16}
    assert parse(RoutingPolicy, policy(governance={"detect": detect}))
    assert parse(RoutingPolicy, policy(capture={"mode": "Hash", "redact": {"patterns": large}}))
