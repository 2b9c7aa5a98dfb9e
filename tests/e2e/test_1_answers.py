"""YAML in, routed answers out: real prompts through the real SDK land where the rules say."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.prompts import OWN_PROMPTS, TASK_OF_LABEL, LabeledPrompt, shared_prompts

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def expected_rule(spec: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The rule for an analyzed request, read from the YAML here and not by the router's code."""
    task, language = headers["x-pointsman-task"], headers["x-pointsman-language"]
    tokens = int(headers["x-pointsman-tokens"])
    for rule in spec["rules"]:
        match = rule["match"]
        if "task" in match and task not in match["task"]:
            continue
        if "language" in match and language not in match["language"]:
            continue
        if tokens < match.get("contextTokens", {}).get("min", 0):
            continue
        found: dict[str, Any] = rule
        return found
    return {"name": "default", **spec["default"]}


def ask(fleet: Fleet, url: str, prompt: LabeledPrompt, *, stream: bool) -> Mapping[str, str]:
    """The answer's headers; raises on any failure or an empty answer."""
    with fleet.client(url) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": prompt.text}],
            max_tokens=8,
            stream=stream,
            extra_headers={"x-pointsman-debug": "true"},
        )
        if stream:
            pieces = [chunk.choices[0].delta.content for chunk in raw.parse() if chunk.choices]  # type: ignore[union-attr]
            text = "".join(piece or "" for piece in pieces)
        else:
            text = raw.parse().choices[0].message.content or ""  # type: ignore[union-attr]
    assert text, prompt.text[:80]
    return raw.headers


def test_three_hundred_real_prompts_land_where_the_rules_say(fleet: Fleet) -> None:
    """Streamed and not, over all routers; of an undecided task the later rules or the default."""
    prompts = shared_prompts() or OWN_PROMPTS
    if prompts is OWN_PROMPTS:
        print("the shared prompts are absent: own prompts are used, and are few")
    else:
        per_task = Counter(prompt.task for prompt in prompts)
        assert len(prompts) >= 300
        assert {
            task: n >= (20 if task == "LongContext" else 30) for task, n in per_task.items()
        } == (dict.fromkeys(TASK_OF_LABEL.values(), True))
    spec = fleet.get("rp", "support-desk")["spec"]
    urls = fleet.routers()
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda pair: ask(fleet, urls[pair[0] % 3], pair[1], stream=pair[0] % 2 == 0),
                enumerate(prompts),
            )
        )

    astray = []
    for headers, prompt in zip(answers, prompts, strict=True):
        rule = expected_rule(spec, headers)
        backends = {target["backendRef"]["name"] for target in rule["targets"]}
        got = (headers["x-pointsman-rule"], headers["x-pointsman-backend"])
        if got[0] != rule["name"] or got[1] not in backends:
            astray.append((got, rule["name"], headers["x-pointsman-attempts"], prompt.text[:60]))
    assert astray == []
    by_source: dict[str, list[bool]] = defaultdict(list)
    for headers, prompt in zip(answers, prompts, strict=True):
        right = headers["x-pointsman-task"] in {prompt.task, prompt.also}
        by_source[prompt.source].append(right)
    for source, rights in sorted(by_source.items()):
        print(f"{source:<28} {sum(rights):>3} of {len(rights):>3} as labeled")
    assert sum(sum(r) / len(r) for r in by_source.values()) / len(by_source) >= 0.75
    decided = sum(headers["x-pointsman-task"] in TASK_OF_LABEL.values() for headers in answers)
    assert decided / len(answers) >= 0.8


def test_kubectl_shows_filled_columns(fleet: Fleet) -> None:
    """READY, REPLICAS, MODEL, REVISION, ROUTERS and AGE say something on every line; QUEUE does of
    what is scaled."""
    for kind in ("mb", "rp"):
        header, *lines = fleet.kubectl("get", kind).splitlines()
        wanted = [name for name in header.split() if name != "QUEUE"]
        assert lines
        for line in lines:
            assert len(line.split()) >= len(wanted), line
            assert "<none>" not in line
            assert "True" in line
    assert "3/3" in fleet.kubectl("get", "rp")


def test_kubectl_explain_reads_well(fleet: Fleet) -> None:
    """Every field of a rule is explained."""
    text = fleet.kubectl("explain", "rp.spec.rules")

    for field in ("fallback", "match", "name", "targets", "timeouts"):
        assert f"\n  {field}\t" in text
    assert text.count("<no description>") == 0


def test_the_answer_says_who_decided(fleet: Fleet) -> None:
    """The decision headers are on every routed answer."""
    with fleet.client(fleet.routers()[0]) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "How do I reset my password?"}]
        )
    names = ("backend", "policy", "revision", "rule", "decision-id", "attempts", "overhead-ms")

    assert [name for name in names if f"x-pointsman-{name}" not in raw.headers] == []
    assert raw.headers["x-pointsman-policy"] == "support-desk"
    assert (
        raw.headers["x-pointsman-revision"]
        == fleet.get("rp", "support-desk")["status"]["activeRevision"]
    )
