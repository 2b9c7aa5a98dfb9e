"""YAML in, routed answers out: real prompts through the real SDK land where the rules say."""

import itertools
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.fleet import EXAMPLES, Fleet
from tests.e2e.prompts import LabeledPrompt, shared_prompts

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def expected_backends(fleet: Fleet, task: str) -> set[str]:
    """Where the policy's rules send a decided task: the first rule that names it."""
    spec = fleet.get("rp", "support-desk")["spec"]
    for rule in spec["rules"]:
        if task in rule["match"].get("task", []):
            return {target["backendRef"]["name"] for target in rule["targets"]}
    return {target["backendRef"]["name"] for target in spec["default"]["targets"]}


def ask(fleet: Fleet, url: str, prompt: LabeledPrompt, *, stream: bool) -> tuple[str, str]:
    """(analyzed task, backend); raises on any failure or an answer of the wrong model."""
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
            text = raw.parse().choices[0].message.content or ""
    assert text, prompt.text[:80]
    return raw.headers["x-pointsman-task"], raw.headers["x-pointsman-backend"]


def test_three_hundred_real_prompts_land_where_the_rules_say(fleet: Fleet) -> None:
    """Streamed and not, over all routers; a request whose task is undecided takes the default."""
    prompts = shared_prompts()
    if not prompts:
        pytest.skip("not run: the shared prompts are absent")
    assert len(prompts) >= 300
    per_task = Counter(prompt.task for prompt in prompts)
    assert all(count >= (20 if task == "LongContext" else 30) for task, count in per_task.items())
    tasks = {"Chat", "Coding", "Reasoning", "Multilingual", "Document", "LongContext"}
    expected = {task: expected_backends(fleet, task) for task in (*tasks, "Undecided")}
    urls = fleet.routers()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda pair: ask(fleet, urls[pair[0] % 3], pair[1], stream=pair[0] % 2 == 0),
                enumerate(prompts),
            )
        )

    astray = [
        (task, backend, prompt.text[:60])
        for (task, backend), prompt in zip(answers, prompts, strict=True)
        if backend not in expected[task]
    ]
    assert astray == []
    by_source: dict[str, list[bool]] = defaultdict(list)
    for (task, _), prompt in zip(answers, prompts, strict=True):
        by_source[prompt.source].append(task == prompt.task)
    for source, right in sorted(by_source.items()):
        print(f"{source:<28} {sum(right)}/{len(right)} as labeled")


def test_kubectl_shows_filled_columns(fleet: Fleet) -> None:
    """READY, REPLICAS, MODEL, REVISION, ROUTERS and AGE say something on every line."""
    for kind in ("mb", "rp"):
        header, *lines = fleet.kubectl("get", kind).splitlines()
        assert lines
        for line in lines:
            assert len(line.split()) >= len(header.split()), line
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
    assert raw.headers["x-pointsman-revision"] == fleet.get("rp", "support-desk")["status"][
        "activeRevision"
    ]


def test_the_callers_key_never_reaches_a_model(fleet: Fleet) -> None:
    """No model server saw the caller's Authorization; `--control` would show it in its log."""
    for number, name in itertools.islice(enumerate(EXAMPLES.iterdir()), 1):
        assert name.exists(), number
    for pod in fleet.pods("router"):
        assert "caller-key" not in fleet.bench.log(fleet.namespace, pod["metadata"]["name"])
