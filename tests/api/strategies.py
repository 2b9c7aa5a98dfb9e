"""Hypothesis strategies for objects: valid ones, and neighbors of them that may not be.

Names come from a tiny alphabet, so that duplicates and cycles are frequent; a mutation then
replaces, removes or adds something at any place.
"""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.api import governance_strategies, review_strategies
from tests.api.profile_strategies import profiles

Json = dict[str, Any]

names = st.sampled_from(["a", "b", "c-1", "d", "e", "f"])
object_names = st.sampled_from(
    ["a", "a-b", "a" * 52, "a" * 53, "a" * 57, "a" * 58, "1a", "a.b", "A"]
)
durations = st.sampled_from(
    ["30s", "5m", "2h", "10s", "1m30s", "0s", "0h0ms", "250ms", "99999h", "1h1m1s1ms"]
)
urls = st.sampled_from(
    [
        "https://a.example/v1",
        "https://a.example:8443",
        "https://[::1]/v1",
        "https://a.example/v1\n",
        "https://a.example/v1?x",
        "https://u@a.example/",
        "https://a.example/#x",
        "http://localhost:8000/v1",
        "http://127.0.0.1/v1",
        "http://localhost.evil/v1",
        "http://a.example/v1",
        "https://",
        "ftp://a",
        "https://ä.example/v1",
    ]
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


refs = st.fixed_dictionaries({"name": names})
targets = st.fixed_dictionaries(
    {"backendRef": refs}, optional={"weight": st.sampled_from([0, 1, 5, 1_000_000])}
)
timeouts = optional(firstToken=durations, streamIdle=durations, request=durations)
fallbacks = st.fixed_dictionaries(
    {"chain": st.lists(refs, min_size=1, max_size=2)},
    optional={
        "when": st.lists(
            st.sampled_from(["Error", "Timeout", "ContextWindow", "Saturated", "Unschedulable"]),
            min_size=1,
            max_size=4,
        ),
        "deadline": durations,
    },
)
tokens = optional(min=st.sampled_from([0, 5, 9]), max=st.sampled_from([0, 5, 9]))
headers = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x-a", "X-A", "x-c", "x b"]),
        "value": st.sampled_from(["v", "w", "é" * 8, ""]),
    },
    optional={"type": st.sampled_from(["Exact", "Prefix"])},
)
matches = optional(
    task=st.lists(st.sampled_from(["Chat", "Coding", "LongContext"]), max_size=3),
    language=st.lists(st.sampled_from(["de", "fr", "en", "fil", "DE"]), max_size=2),
    complexity=st.lists(st.sampled_from(["Simple", "Complex", "Hard"]), max_size=2),
    domain=st.lists(st.sampled_from(["Law", "General"]), max_size=2),
    contextTokens=tokens,
    turns=tokens,
    tools=st.booleans(),
    images=st.booleans(),
    jsonMode=st.booleans(),
    expression=st.sampled_from(["request.turns > 1", "'a' in request.headers"]),
    headers=st.lists(headers, max_size=2),
    metadata=st.dictionaries(st.sampled_from(["team", "a.b/c"]), st.just("x"), max_size=2),
)
route = {"targets": st.lists(targets, min_size=1, max_size=2)}
route_options = {"fallback": fallbacks, "timeouts": timeouts}
choosing = st.sampled_from(["Choose", "Bypass", "Ask"])
rules = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["one", "two", "three", "four", "default"]),
        "match": matches,
        **route,
    },
    optional=route_options
    | {
        "predictor": choosing,
        "matches": st.lists(matches, max_size=1),
        "review": review_strategies.of_rules,
    },
)
budgets = st.fixed_dictionaries(
    {"name": names, "window": st.sampled_from(["Hour", "Day", "Week", "Month"])},
    optional={
        "scope": st.sampled_from(["Policy", "Rule", "Caller", "Team"]),
        "tokens": st.sampled_from([0, 1, 10**12, 10**12 + 1]),
        "amount": st.sampled_from(
            ["0", "0.000000", "0.000001", "9999999.999999", "10000000", "-1"]
        ),
        "currency": st.sampled_from(["USD", "EUR", "usd"]),
        "mode": st.sampled_from(["Shadow", "Enforce"]),
    },
)
patterns = st.sampled_from(
    [
        "ACME-[0-9]{6}",
        r"(?i)\bpin:? \d+",
        r"\pL+@x",
        "[é-ü]x",
        "(?P<a>x)|y",
        "a{99}",
        "a{100}",
        "a{,5}",
        "a**",
        "(",
        "[0-9]*",
        "^",
        "(?=x)x",
        r"(x)\1",
        r"\Cx",
        r"a\z",
        r"\Qa.b\E",
        "x" * 128,
        "x" * 129,
        "",
    ]
)
redacts = optional(
    builtIn=st.lists(st.sampled_from(["ApiKey", "Email", "CreditCard", "Name"]), max_size=3),
    patterns=st.lists(patterns, max_size=2),
)
captures = st.fixed_dictionaries(
    {"mode": st.sampled_from(["None", "Hash", "Sampled", "Full", "Off"])},
    optional={
        "samplePercent": st.sampled_from([0, 1, 100, 101]),
        "redact": redacts,
        "retention": st.one_of(durations, st.sampled_from(["9600h", "9601h", "1s", "999ms"])),
    },
)
implicit = st.fixed_dictionaries(
    {"signals": st.lists(st.sampled_from(["Retry", "Abandoned", "Sigh"]), max_size=3)},
    optional={"retryWindow": st.one_of(durations, st.sampled_from(["1h", "61m", "1s"]))},
)
predictors = optional(
    mode=st.sampled_from(["None", "Observe", "Apply", "Off"]),
    candidates=st.lists(refs, max_size=3),
    objective=optional(
        prefer=st.sampled_from(["Balanced", "Quality", "Cost", "Speed"]),
        qualityFloorPercent=st.sampled_from([0, 1, 100, 101]),
        maxCostPerRequest=st.sampled_from(["0", "0.000001", "1.", "9999999"]),
    ),
    minConfidencePercent=st.sampled_from([-1, 0, 100, 101]),
    minSamples=st.sampled_from([0, 1, 10_000, 10_001]),
    halfLife=st.one_of(durations, st.sampled_from(["1h", "59m", "9600h", "9601h"])),
    switchMarginPercent=st.sampled_from([-1, 0, 100, 101]),
    explorationPercent=st.sampled_from([-1, 0, 20, 21]),
)
steps = st.fixed_dictionaries(
    {"weightPercent": st.sampled_from([0, 1, 5, 50, 99, 100])},
    optional={
        "minRequests": st.sampled_from([-1, 0, 1_000_000, 1_000_001]),
        "minDuration": st.one_of(durations, st.sampled_from(["240h", "241h", "0s"])),
        "approval": st.sampled_from([True, False, "yes"]),
    },
)
rollouts = optional(
    steps=st.lists(steps, max_size=3),
    approval=st.sampled_from(["Automatic", "Manual", "None"]),
    guardrails=optional(
        maxErrorPoints=st.sampled_from([0, 1, 100, 101]),
        maxLatencyPercent=st.sampled_from([0, 1, 1000, 1001]),
        maxCostPercent=st.sampled_from([0, 25]),
    ),
    stepDeadline=st.one_of(durations, st.sampled_from(["240h", "241h", "0s"])),
    revisionHistoryLimit=st.sampled_from([0, 1, 100, 101]),
)
policy_tests = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["one", "two"]),
        "expect": optional(
            rule=st.sampled_from(["one", "default", "A"]),
            backend=names,
            task=st.sampled_from(["Chat", "Talk"]),
            maxCost=st.sampled_from(["0.1", "1e3"]),
            review=st.sampled_from(["None", "Hold", "Ask"]),
        ),
    },
    optional={
        "prompt": st.sampled_from(["", "hi", "é" * 4000, "x" * 4001]),
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "tool", "robot"]), "content": st.just("hi")}
            ),
            max_size=2,
        ),
        "headers": st.dictionaries(st.sampled_from(["a", "B b"]), st.just("x"), max_size=1),
        "tools": st.booleans(),
        "historyChars": st.sampled_from([0, 10_000_000, 10_000_001]),
        "maxOutputTokens": st.sampled_from([0, 1, -1]),
    },
)
policies = st.fixed_dictionaries(
    {
        "modelNames": st.lists(
            st.sampled_from(["auto", "gpt-4o", "org/m:1"]), min_size=1, max_size=2
        ),
        "default": st.fixed_dictionaries(route, optional=route_options | {"predictor": choosing}),
    },
    optional={
        "rules": st.lists(rules, max_size=2),
        "humanReview": review_strategies.of_policies,
        "baseline": refs,
        "budgets": st.lists(budgets, max_size=2),
        "capture": captures,
        "implicitFeedback": implicit,
        "predictor": predictors,
        "governance": governance_strategies.of_policies,
        "rollout": rollouts,
        "tests": st.lists(policy_tests, max_size=2),
    },
)

checks = st.one_of(
    st.fixed_dictionaries({"contains": st.just("x")}, optional={"ignoreCase": st.booleans()}),
    optional(
        exact=st.sampled_from(["x", "", "é"]),
        contains=st.just("x"),
        ignoreCase=st.booleans(),
        regex=patterns,
        number=optional(
            value=st.sampled_from(["42", "-1.5", "1e3", "+1", "0.0000000001"]),
            tolerance=st.sampled_from(["0.5", "-1"]),
        ),
        jsonSchema=st.sampled_from(["{}", "no schema"]),
        refusal=st.sampled_from(["Expected", "NotExpected", "Maybe"]),
        maxLatency=durations,
        judge=optional(rubric=st.sampled_from(["x", ""]), reference=st.just("y")),
    ),
    st.fixed_dictionaries({"regex": patterns}),
    st.fixed_dictionaries({"maxLatency": st.one_of(durations, st.sampled_from(["1h", "61m"]))}),
    st.fixed_dictionaries({"judge": st.just({"rubric": "x"})}),
)
said = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.just("x")}
)
golden_prompts = st.builds(
    lambda sure, more: sure | more,
    st.fixed_dictionaries(
        {"name": names, "prompt": st.just("x"), "checks": st.lists(checks, min_size=1, max_size=2)}
    ),
    optional(
        messages=st.lists(said, max_size=2),
        task=st.sampled_from(["Chat", "Coding", "Cooking"]),
        weight=st.sampled_from([0, 1, 1001]),
        maxTokens=st.sampled_from([0, 1]),
        metadata=st.dictionaries(names, st.just("v"), max_size=2),
    ),
)
suites = optional(
    prompts=st.lists(golden_prompts, max_size=2),
    configMapRef=st.fixed_dictionaries(
        {"name": object_names}, optional={"key": st.sampled_from(["a.jsonl", "a/b"])}
    ),
    ledger=st.fixed_dictionaries(
        {"policyRef": st.fixed_dictionaries({"name": object_names})},
        optional={
            "tasks": st.lists(st.sampled_from(["Chat", "Coding", "Cooking"]), max_size=2),
            "labels": st.lists(st.sampled_from(["Good", "Bad", "Fair"]), max_size=2),
            "since": st.one_of(durations, st.sampled_from(["1m", "59s", "1440h", "1441h"])),
            "sample": st.sampled_from([0, 1, 19, 20, 500, 501]),
            "minimum": st.sampled_from([0, 1, 100, 101, 500, 501]),
            "redrawInterval": st.sampled_from(["1h", "59m", "9600h", "9601h"]),
            "maxTokens": st.sampled_from([0, 1]),
        },
    ),
    judge=st.fixed_dictionaries({"model": st.sampled_from(["auto", "a b"])}),
)

amounts = st.dictionaries(
    st.sampled_from(["cpu", "nvidia.com/gpu"]),
    st.sampled_from([1, 0, -1, "500m", "4Gi", "1.5", "x", 2.5]),
    max_size=2,
)
deployments = st.fixed_dictionaries(
    {"engine": st.sampled_from(["VLLM", "Ollama", "Simulator", "Custom"])},
    optional={
        "image": st.sampled_from(["registry/x:1", ""]),
        "command": st.lists(st.just("run"), max_size=2),
        "args": st.lists(st.sampled_from(["--x", ""]), max_size=2),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["A", "B"])}, optional={"value": names}),
            max_size=3,
        ),
        "port": st.sampled_from([1, 8000, 65535, 0, 65536]),
        "resources": optional(requests=amounts, limits=amounts),
        "cache": optional(
            claimName=object_names,
            size=st.sampled_from(["1Gi", 5, "x"]),
            storageClassName=st.sampled_from(["fast", "A"]),
        ),
        "podTemplate": st.sampled_from([{}, {"spec": {"x": [None, 1]}}, {"any": None}, []]),
    },
)
externals = st.fixed_dictionaries(
    {"url": urls},
    optional={
        "credentialsSecretRef": st.fixed_dictionaries({"name": names}, optional={"key": names}),
        "caBundle": st.sampled_from(["pem", ""]),
    },
)
services = st.fixed_dictionaries({"name": names, "port": st.sampled_from([1, 80, 65536])})
moments = st.sampled_from(
    [
        "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2028-02-29T23:59:59Z",
        "2027-13-01T00:00:00Z",
        "2027-12-01T24:00:00Z",
        "2027-12-01T00:00:00+01:00",
        "2027-00-01T00:00:00Z",
        "2027-01-00T00:00:00Z",
        "2027-12-01",
    ]
)
price_changes = st.fixed_dictionaries(
    {"validFrom": moments, "inputPerMillion": st.just("1"), "outputPerMillion": st.just("2")},
    optional={"reasoningPerMillion": st.sampled_from(["3", ""])},
)
hour_changes = st.fixed_dictionaries({"validFrom": moments, "replicaHour": st.just("2.50")})
any_changes = st.lists(st.one_of(price_changes, hour_changes), max_size=3)
costs = st.one_of(
    st.fixed_dictionaries(
        {
            "inputPerMillion": st.sampled_from(["0.1", "1", "1.", "-1"]),
            "outputPerMillion": st.just("2"),
        },
        optional={
            "currency": st.sampled_from(["USD", "EUR", "usd"]),
            "cachedInputPerMillion": st.sampled_from(["0.01", "x"]),
            "changes": any_changes,
        },
    ),
    optional(
        replicaHour=st.sampled_from(["2.50", "2.5h"]),
        inputPerMillion=st.just("1"),
        outputPerMillion=st.just("2"),
        reasoningPerMillion=st.just("3"),
        currency=st.just("EUR"),
        changes=any_changes,
    ),
)
places = st.one_of(
    st.fixed_dictionaries({"deployment": deployments}),
    st.fixed_dictionaries({"service": services}),
    st.fixed_dictionaries({"external": externals}),
    optional(deployment=deployments, service=services, external=externals),
)
periods = st.fixed_dictionaries(
    {"type": st.sampled_from(["Pods", "Percent"])},
    optional={
        "value": st.sampled_from([-1, 0, 1, 100]),
        "periodSeconds": st.sampled_from([0, 1, 1800, 1801]),
    },
)
good_periods = st.just({"type": "Pods", "value": 1, "periodSeconds": 60})
scaling_rules = optional(
    stabilizationWindowSeconds=st.sampled_from([-1, 0, 300, 3600, 3601]),
    selectPolicy=st.sampled_from(["Max", "Min", "Disabled", "Most"]),
    policies=st.lists(st.one_of(good_periods, periods), max_size=2),
)
behaviors = optional(scaleUp=scaling_rules, scaleDown=scaling_rules)
counts = st.sampled_from([0, 1, 2, 3, 1001])
schedules = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["day", "night"]),
        "start": st.sampled_from(["08:00", "23:59"]),
        "end": st.sampled_from(["18:00", "24:00", "8:00"]),
    },
    optional={
        "minReplicas": counts,
        "maxReplicas": counts,
        "daysOfWeek": st.lists(st.sampled_from(["Mon", "Sun"]), max_size=2),
        "timeZone": st.sampled_from(["UTC", "Europe/Berlin", "Etc/GMT+1", "+1"]),
    },
)
bounds = optional(
    minReplicas=counts,
    maxReplicas=counts,
    targetRequests=st.sampled_from([-1, 0, 1, 8]),
    scaleDownDelaySeconds=st.sampled_from([-1, 0, 3600, 3601]),
    behavior=behaviors,
    schedules=st.lists(schedules, max_size=2),
)
scalings = st.builds(
    lambda sure, mode, more: sure | mode | more,
    st.sampled_from([{}, {"maxReplicas": 3, "targetRequests": 8}]),
    optional(mode=st.sampled_from(["QueueDepth", "External"])),
    st.one_of(st.just({}), bounds),
)
activations = optional(
    mode=st.sampled_from(["Hold", "Reject", "Fallback", "Wait"]),
    timeout=durations,
    maxHeldRequests=st.sampled_from([0, 1, 10_000, 10_001]),
)
queues = optional(timeout=durations, maxHeldRequests=st.sampled_from([0, 1, 10_000, 10_001]))
drifts = optional(
    mode=st.sampled_from(["Detect", "None", "Off"]),
    falseAlarmPercent=st.sampled_from(
        [0, 1, 10, 11, "0.5", "0.001", "0.01", "10.001", "1.", "x", 0.5, -1, 99, 100]
    ),
    baselineRuns=st.sampled_from([1, 2, 20, 21, "5"]),
    passive=st.sampled_from(["Observe", "None"]),
    identity=st.sampled_from(["All", "Model", "None", "Digest"]),
)
evaluations = st.fixed_dictionaries(
    {"suiteRef": refs},
    optional={
        "interval": durations | st.sampled_from(["9s", "720h", "721h", "9s999ms"]),
        "maxCostPerDay": st.sampled_from(["0", "0.50", "-1", "1e3", "12345678", "0.1234567", 1]),
    },
)
backend_options = optional(
    drift=drifts,
    scaling=scalings,
    queue=queues,
    maxConcurrentRequests=st.sampled_from([0, 1, 8]),
    activation=activations,
    family=st.sampled_from(["Qwen", "DeepSeek", "GLM", "Kimi", "Other"]),
    contextWindow=st.sampled_from([255, 256, 32768]),
    capabilities=st.lists(st.sampled_from(["Tools", "Vision"]), max_size=3),
    promptProfile=profiles,
    cost=costs,
    governance=governance_strategies.of_backends,
    replicas=st.sampled_from([0, 1, 1000, 1001]),
    evaluation=evaluations,
)
backends = st.builds(
    lambda place, options: {"model": "m"} | place | options, places, backend_options
)

junk: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        "",
        "x",
        "x\n",
        "é" * 64,
        "a" * 300,
        0,
        -1,
        7,
        2**40,
        1.5,
        True,
        [],
        [None],
        ["x", "x"],
        {},
    ]
)


def _places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    entries = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, child in entries:
        found += _places(child, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, specs: st.SearchStrategy[Json]) -> Json:
    """A spec with at most two changes: a value replaced, removed, doubled, or a field added."""
    spec = deepcopy(draw(specs))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        places_now = _places(spec)
        if not places_now:
            break
        *above, step_last = draw(st.sampled_from(places_now))
        last: Any = step_last
        holder: Any = spec
        for step in above:
            holder = holder[step]
        match draw(st.sampled_from(["replace", "replace", "remove", "double", "add"])):
            case "replace":
                holder[last] = deepcopy(draw(junk))
            case "remove":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.append(deepcopy(holder[last]))
            case "add" if isinstance(holder, dict):
                holder["extra"] = deepcopy(draw(junk))
    return spec


def objects(kind: str, specs: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Whole objects of a kind."""
    return st.builds(
        lambda name, spec: {
            "apiVersion": "pointsman.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        },
        st.sampled_from([True] * 7 + [False]).flatmap(
            lambda plain: st.just("a") if plain else object_names
        ),
        mutated(specs),
    )
