"""cross_check(): what several objects tell together."""

import pytest

from pointsman.api.hosts import covers as covers_host
from pointsman.api.hosts import split_allowed
from pointsman.api.manifests import cross_check, load_text
from pointsman.api.v1alpha1 import Match
from pointsman.api.v1alpha1.shadowing import contradicts_itself, covers
from pointsman.api.validation import parse


def backend(name: str, **more: str) -> str:
    place = more.get("place", "deployment: {engine: Simulator}")
    return (
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: ModelBackend\n"
        f"metadata: {{name: {name}, namespace: {more.get('namespace', 'default')}}}\n"
        f"spec: {{model: m, {place}}}\n"
    )


def policy(name: str, model: str = "auto", target: str = "a", rules: str = "[]") -> str:
    return (
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\n"
        f"metadata: {{name: {name}}}\n"
        f"spec:\n  modelNames: [{model}]\n  rules: {rules}\n"
        f"  default: {{targets: [{{backendRef: {{name: {target}}}}}]}}\n"
    )


def findings(text: str) -> list[str]:
    loaded = load_text(text, "f")
    assert loaded.problems == ()
    return [str(finding) for finding in cross_check(loaded)]


def test_a_complete_set_has_no_findings() -> None:
    """Order does not matter: a policy may stand before its backends."""
    assert findings(policy("p") + backend("a")) == []


@pytest.mark.parametrize(
    ("zone", "known"),
    [("Europe/Berlin", True), ("UTC", True), ("Europe/Berln", False), ("Europe", False)],
)
def test_a_schedule_in_no_time_zone_is_an_error(zone: str, known: bool) -> None:
    """The API server takes the name, and the operator would not."""
    schedule = f"{{name: a, start: '08:00', end: '09:00', minReplicas: 2, timeZone: {zone}}}"
    scaling = f"scaling: {{maxReplicas: 3, targetRequests: 8, schedules: [{schedule}]}}"
    found = findings(backend("a", place=f"deployment: {{engine: Simulator}}, {scaling}"))

    assert (found == []) is known
    assert all("spec.scaling.schedules[0].timeZone" in one for one in found)


def test_a_missing_backend_is_an_error_with_a_suggestion() -> None:
    """Targets and chains are followed."""
    (found,) = findings(policy("p", target="qwen-lite") + backend("qwen-light"))
    assert found == (
        "f:8: spec.default.targets[0].backendRef.name: no ModelBackend qwen-lite among these "
        "files (did you mean qwen-light?)"
    )


def test_another_namespace_does_not_count() -> None:
    """References stay inside a namespace."""
    assert len(findings(policy("p") + backend("a", namespace="other"))) == 1


def test_one_object_twice_is_an_error() -> None:
    """Of any kind; the first one's place is named."""
    (found,) = findings(policy("p") + backend("a") + backend("a"))
    assert found == "f:17: metadata.name: ModelBackend default/a is already in f:10"


def test_a_model_name_belongs_to_one_policy() -> None:
    """In a cluster the older one has it."""
    (found,) = findings(policy("p") + policy("q") + backend("a"))
    assert (
        "f:14: spec.modelNames[0]: model name auto is already claimed by RoutingPolicy p" in found
    )


def test_a_rule_behind_a_wider_one_is_a_warning() -> None:
    """It is accepted, but never matches."""
    target = "targets: [{backendRef: {name: a}}]"
    rules = (
        f"[{{name: all, match: {{task: [Chat, Coding]}}, {target}}}, "
        f"{{name: some, match: {{task: [Coding], language: [de]}}, {target}}}]"
    )
    (found,) = findings(policy("p", rules=rules) + backend("a"))
    assert found == (
        "f:7: warning: spec.rules[1].match: rule some can never match: "
        "rule all matches all of it before"
    )


SECRET = (
    "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: key\n"
    "  labels: {pointsman.dev/credential: 'true'}\n"
    "  annotations: {pointsman.dev/allowed-hosts: api.example.com}\n"
    "stringData: {api-key: x}\n"
)
EXTERNAL = "external: {url: 'https://api.example.com/v1', credentialsSecretRef: {name: key}}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", ""),
        ("'true'", "'yes'", "lacks the label"),
        ("api.example", "example", "does not allow api.example.com"),
        ("api-key:", "key:", "has no key api-key"),
        (
            "stringData: {api-key: x}\n",
            "",
            "warning: spec.external.credentialsSecretRef: Secret key",
        ),
    ],
)
def test_a_secret_among_the_files_must_be_usable(old: str, new: str, message: str) -> None:
    """A Secret that is not there may be in the cluster; one that is there can be judged."""
    text = policy("p") + backend("a", place=EXTERNAL)
    assert findings(text) == []
    found = findings(text + SECRET.replace(old, new))
    assert (message in found[0]) if message else found == []


@pytest.mark.parametrize(
    ("host", "patterns", "allowed"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com", "other.com, Api.Example.Com", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "*.0.0.1", False),
        ("::1", "[::1]", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("evilexample.com", "*.example.com", False),
        ("api.example.com.evil.com", "api.example.com", False),
        ("api.example.com", "", False),
        ("", "", False),
        ("api.example.com", "*", False),
    ],
)
def test_hosts_are_matched_by_whole_labels(host: str, patterns: str, allowed: bool) -> None:
    """Fails closed: only a full name, or `*.` before one."""
    assert covers_host(split_allowed(patterns), host) is allowed


def match(**conditions: object) -> Match:
    return parse(Match, conditions)


def header(value: str, kind: str = "Exact", name: str = "x-tier") -> dict[str, str]:
    return {"name": name, "value": value, "type": kind}


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        (match(task=["Chat", "Coding"]), match(task=["Coding"]), True),
        (match(task=["Chat"]), match(task=["Chat", "Coding"]), False),
        (match(task=["Chat"]), match(language=["de"]), False),
        (match(task=["Chat"]), match(task=["Chat"], language=["de"]), True),
        (match(contextTokens={"min": 10}), match(contextTokens={"min": 20, "max": 30}), True),
        (match(contextTokens={"max": 10}), match(contextTokens={"min": 5}), False),
        (match(contextTokens={"min": 0}), match(task=["Chat"]), True),
        (match(contextTokens={"min": 1}), match(task=["Chat"]), False),
        (match(headers=[header("a")]), match(headers=[header("a", name="X-Tier")]), True),
        (match(headers=[header("a", "Prefix")]), match(headers=[header("ab")]), True),
        (match(headers=[header("ab")]), match(headers=[header("ab", "Prefix")]), False),
        (match(metadata={"team": "a"}), match(metadata={"team": "a", "x": "y"}), True),
        (match(metadata={"team": "a"}), match(metadata={"team": "b"}), False),
    ],
)
def test_a_rule_covers_another(earlier: Match, later: Match, covered: bool) -> None:
    """Only if every condition of the earlier one follows from the later one's."""
    assert covers(earlier, later) is covered


@pytest.mark.parametrize(
    ("one", "other", "possible"),
    [
        (header("a"), header("b"), False),
        (header("a"), header("b", name="x-other"), True),
        (header("ab"), header("a", "Prefix"), True),
        (header("b", "Prefix"), header("ab"), False),
        (header("a", "Prefix"), header("ab", "Prefix"), True),
        (header("a", "Prefix"), header("b", "Prefix"), False),
    ],
)
def test_headers_can_exclude_each_other(
    one: dict[str, str], other: dict[str, str], possible: bool
) -> None:
    """A request has one value for a header."""
    assert (contradicts_itself(match(headers=[one, other])) == "") is possible


SIMULATOR = "deployment: {engine: Simulator}"


def spilling(*chain: str, when: str = "Saturated") -> str:
    refs = ", ".join(f"{{name: {name}}}" for name in chain)
    return (
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\n"
        "metadata: {name: p}\nspec:\n  modelNames: [auto]\n  default:\n"
        "    targets: [{backendRef: {name: a}}]\n"
        f"    fallback: {{when: [{when}], chain: [{refs}]}}\n"
    )


@pytest.mark.parametrize(
    ("place", "warned"),
    [
        (SIMULATOR, True),
        (f"{SIMULATOR}, maxConcurrentRequests: 4", False),
        (f"{SIMULATOR}, activation: {{}}", False),
        ("deployment: {engine: Simulator, args: [--max-concurrency=4]}", False),
    ],
)
def test_saturated_needs_something_that_fills(place: str, warned: bool) -> None:
    """What the last one of the chain takes is of no use: nobody follows it."""
    last = backend("b", place=f"{SIMULATOR}, maxConcurrentRequests: 1")
    found = findings(spilling("b") + backend("a", place=place) + last)
    assert ["Saturated never comes about" in one for one in found] == [True] * warned
    assert findings(spilling("b", when="Error") + backend("a") + last) == []


@pytest.mark.parametrize(("target", "warned"), [(8, True), (9, True), (7, False)])
def test_a_target_that_spilling_hides_is_warned_of(target: int, warned: bool) -> None:
    """Else the fleet would not grow while its traffic goes elsewhere."""
    scaling = f"scaling: {{maxReplicas: 3, targetRequests: {target}}}"
    place = f"{SIMULATOR}, maxConcurrentRequests: 8, {scaling}"
    found = findings(spilling("b") + backend("a", place=place) + backend("b", place=place))
    assert ["spec.scaling.targetRequests" in one for one in found] == [True] * warned


@pytest.mark.parametrize(
    ("cost", "warned"),
    [
        ("", "has no cost"),
        (", cost: {replicaHour: '1'}", "has no prices of tokens"),
        (", cost: {inputPerMillion: '1', outputPerMillion: '2', currency: EUR}", "are paid in USD"),
        (", cost: {inputPerMillion: '1', outputPerMillion: '2'}", ""),
    ],
)
def test_a_baseline_needs_prices_to_compare(cost: str, warned: str) -> None:
    """In the currency of what it is compared with."""
    paid = f"{SIMULATOR}, cost: {{inputPerMillion: '1', outputPerMillion: '2'}}"
    policy = spilling("b", when="Error") + "  baseline: {name: c}\n"
    files = policy + backend("a", place=paid) + backend("b", place=paid)
    found = findings(files + backend("c", place=f"{SIMULATOR}{cost}"))
    assert ["spec.baseline" in one and warned in one for one in found] == [True] * bool(warned)
    assert "no ModelBackend c" in findings(files)[0]


@pytest.mark.parametrize(
    ("predictor", "warned"),
    [
        ("{mode: Apply}", "prices in EUR, USD are not compared"),
        ("{mode: Apply, objective: {prefer: Quality}}", ""),
        ("{mode: Apply, candidates: [{name: a}, {name: c}]}", ""),
        ("{mode: None}", ""),
        ("{objective: {prefer: Quality}, explorationPercent: 2}", "only mode Apply explores"),
        ("{candidates: [{name: a}, {name: d}]}", "no ModelBackend d"),
    ],
)
def test_a_predictor_is_warned_of_what_it_cannot_do(predictor: str, warned: str) -> None:
    """Compare money of two kinds, explore while it observes, choose who is not there."""
    paid = "cost: {inputPerMillion: '1', outputPerMillion: '2'}"
    policy = spilling("b", when="Error") + f"  predictor: {predictor}\n"
    files = policy + backend("a", place=f"{SIMULATOR}, {paid}")
    files += backend("b", place=f"{SIMULATOR}, {paid[:-1]}, currency: EUR}}")
    files += backend("c", place=f"{SIMULATOR}, {paid}")
    found = findings(files)
    assert [warned in one for one in found] == [True] * bool(warned), found


@pytest.mark.parametrize(
    ("cost", "warned"),
    [
        ("", "b (no cost)"),
        (", cost: {replicaHour: '1'}", "b (paid by the hour)"),
        (", cost: {inputPerMillion: '1', outputPerMillion: '2', currency: EUR}", "b (paid in EUR)"),
        (", cost: {inputPerMillion: '1', outputPerMillion: '2'}", ""),
    ],
)
def test_a_budget_in_money_is_warned_of_where_it_sees_no_cost(cost: str, warned: str) -> None:
    """Of targets and of the chain; one in tokens sees everything, and a baseline is not asked."""
    paid = f"{SIMULATOR}, cost: {{inputPerMillion: '1', outputPerMillion: '2'}}"
    budgets = "{name: one, window: Day, tokens: 5}, {name: two, window: Day, amount: '5'}"
    policy = spilling("b", when="Error") + f"  budgets: [{budgets}]\n"
    found = findings(policy + backend("a", place=paid) + backend("b", place=f"{SIMULATOR}{cost}"))
    words = [one.partition("spec.budgets[1].amount: ")[2] for one in found]
    assert words == [f"sees no cost of requests to {warned}"] * bool(warned)
    assert all("warning: " in one for one in found)

    other = spilling("c", when="Error") + f"  budgets: [{budgets}]\n  baseline: {{name: b}}\n"
    other += backend("a", place=paid) + backend("c", place=paid)
    found = findings(other + backend("b", place=f"{SIMULATOR}{cost}"))
    assert not any("budgets" in one for one in found)


def test_a_suite_that_is_not_there_is_warned_of() -> None:
    """It may come later; with a suggestion where a name is like it."""
    suite = (
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: EvaluationSuite\n"
        "metadata: {name: desk}\n"
        "spec: {prompts: [{name: a, prompt: Hi, checks: [{contains: hi}]}]}\n"
    )
    place = "deployment: {engine: Simulator}, evaluation: {suiteRef: {name: %s}}"
    assert findings(suite + backend("a", place=place % "desk")) == []
    (found,) = findings(suite + backend("a", place=place % "dsk"))
    assert "warning" in found
    assert "no EvaluationSuite dsk among these files (did you mean desk?)" in found


def test_a_suite_that_can_draw_nothing_is_warned_of() -> None:
    """The policy may be elsewhere, or be edited later: until then nothing is run."""
    suite = (
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: EvaluationSuite\nmetadata: {name: desk}\n"
        "spec: {judge: {model: big}, ledger: {policyRef: {name: %s}}}\n"
    )
    policies = policy("chat") + "  capture: {mode: Full}\n" + policy("other", "b")
    files = backend("a") + policies
    assert findings(files + suite % "chat") == []
    for name, words in (
        ("chad", "no RoutingPolicy chad among these files (did you mean chat?)"),
        ("other", "RoutingPolicy other lets no texts be kept"),
    ):
        (found,) = findings(files + suite % name)
        assert "warning" in found
        assert words in found


@pytest.mark.parametrize(
    ("matches", "last", "lacking"),
    [
        ("match: {images: true}", "", "images: true, but none of its backends has Vision"),
        ("match: {tools: true}", "", "tools: true, but none of its backends has Tools"),
        ("matches: [{images: true}, {images: true, turns: {min: 2}}]", "", "Vision"),
        ("matches: [{images: true}, {task: [Chat]}]", "", ""),
        ("match: {images: false}", "", ""),
        ("match: {images: true}", ", capabilities: [Vision]", ""),
        ("match: {images: true}", ", capabilities: [Tools]", "Vision"),
    ],
)
def test_a_rule_for_what_none_of_its_backends_can_is_a_warning(
    matches: str, last: str, lacking: str
) -> None:
    """Whoever asks by it would be told that nobody is left; one of the chain is enough."""
    rule = (
        f"[{{name: r, {matches}, targets: [{{backendRef: {{name: a}}}}], "
        "fallback: {chain: [{name: b}]}}]"
    )
    backends = backend("a") + backend("b", place=f"{SIMULATOR}{last}")
    found = findings(policy("p", rules=rule) + backends)
    assert [lacking in one and "warning: spec.rules[0]: " in one for one in found] == (
        [True] if lacking else []
    )


def test_what_is_not_among_the_files_may_have_the_capability() -> None:
    """Its absence is told by itself."""
    rule = "[{name: r, match: {images: true}, targets: [{backendRef: {name: gone}}]}]"
    (found,) = findings(policy("p", rules=rule) + backend("a"))
    assert "no ModelBackend gone" in found
