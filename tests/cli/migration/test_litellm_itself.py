"""LiteLLM's rules as we read them, beside LiteLLM's own Router.

litellm is no dependency: it is installed into a virtual environment of its own, in the cache, the
first time; where that fails the test is skipped and says so.
"""

import fcntl
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.migration.conversion import imported
from pointsman.cli.migration.rules import Rules
from tests.cli.migration.configs import entry, text_of

VERSION = "1.110.2"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pointsman"
SCRIPT = Path(__file__).parent / "real_router.py"


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python that has litellm; of several processes one installs it."""
    folder = CACHE / f"litellm-{VERSION}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            _install(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--retries", "0"]
    done = subprocess.run(
        [*pip, "--timeout", "20", f"litellm=={VERSION}"], capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"not run: litellm cannot be installed here: {done.stderr.strip()[-200:]}")
    (folder / "installed").touch()


def named(group: str, name: str, **more: Any) -> dict[str, Any]:
    """A deployment whose model and id are its name; nobody listens there."""
    base = "http://127.0.0.1:9/v1"
    return entry(group, f"openai/{name}", id=name, api_base=base, api_key="none", **more)


TWO = [named("a", "a1", weight=3), named("a", "a2", weight=1), named("b", "b1")]
TAGGED = [
    named("a", "free", tags=["free"]), named("a", "paid", tags=["paid", "default"]),
    named("a", "both", tags=["free", "paid"]),
]  # fmt: skip
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str, list[str]]] = {
    "equal": ([named("a", "a1"), named("a", "a2")], {}, "a", []),
    "weights": (TWO, {}, "a", []),
    "rpm": ([named("a", "a1", rpm=900), named("a", "a2", rpm=100)], {}, "a", []),
    "weight before rpm": (
        [named("a", "a1", rpm=900, weight=1), named("a", "a2", rpm=100, weight=1)], {}, "a", [],
    ),
    "a weight of nothing": ([named("a", "a1", weight=0), named("a", "a2", weight=1)], {}, "a", []),
    "order": (
        [named("a", "a2", order=2), named("a", "a1", order=1), named("a", "a0")], {}, "a", [],
    ),
    "alias": (TWO, {"model_group_alias": {"x": "a"}}, "x", []),
    "fallbacks": (
        [named("a", "a1"), named("b", "b1"), named("c", "c1"), named("d", "d1")],
        {"fallbacks": [{"a": ["b", "d"]}, {"b": ["c"]}]}, "a", [],
    ),
    "a circle": (
        [named("a", "a1"), named("b", "b1")], {"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}, "a", [],
    ),
    "for all": ([named("a", "a1"), named("b", "b1")], {"fallbacks": [{"*": ["b"]}]}, "a", []),
    "by default": ([named("a", "a1"), named("b", "b1")], {"default_fallbacks": ["b"]}, "a", []),
    "order, then fallbacks": (
        [named("a", "a2", order=2), named("a", "a1", order=1), named("b", "b1")],
        {"fallbacks": [{"a": ["b"]}]}, "a", [],
    ),
    "cheapest": (
        [
            named("a", "a1", input_cost_per_token=3e-6, output_cost_per_token=3e-6),
            named("a", "a2", input_cost_per_token=1e-6, output_cost_per_token=3e-6),
        ],
        {"routing_strategy": "cost-based-routing"}, "a", [],
    ),
    "a tag": (TAGGED, {"enable_tag_filtering": True}, "a", ["free"]),
    "two tags": (TAGGED, {"enable_tag_filtering": True}, "a", ["free", "paid"]),
    "all of two tags": (
        TAGGED, {"enable_tag_filtering": True, "tag_filtering_match_any": False}, "a",
        ["free", "paid"],
    ),
    "no tag": (TAGGED, {"enable_tag_filtering": True}, "a", []),
    "a strange tag": (TAGGED, {"enable_tag_filtering": True}, "a", ["other"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(python: Path) -> dict[str, dict[str, Any]]:
    """All cases, in one process."""
    questions = [
        {"model_list": models, "router_settings": router, "model": model, "tags": tags}
        for models, router, model, tags in CASES.values()
    ]
    done = subprocess.run(
        [str(python), str(SCRIPT)], input=json.dumps(questions), capture_output=True, text=True,
        timeout=240, check=False, env={"PATH": os.environ["PATH"], "HOME": str(CACHE)},
    )  # fmt: skip
    lines = [one for one in done.stdout.splitlines() if one.startswith("ANSWERS ")]
    assert lines, done.stderr[-2000:]
    return dict(zip(CASES, json.loads(lines[-1].removeprefix("ANSWERS ")), strict=True))


@pytest.mark.slow
@pytest.mark.timeout(560)
@pytest.mark.parametrize("case", CASES)
def test_litellm_decides_as_we_say(case: str, answers: dict[str, dict[str, Any]]) -> None:
    """The same deployments with the same shares, then the same groups in the same order."""
    models, router, model, tags = CASES[case]
    config = imported(text_of(models, router_settings=router), {}).config
    rules = Rules(config)
    group = rules.group_of(model)
    assert group is not None
    ours = rules.first(group, tags).weights
    whole = sum(ours.values())
    shares = {config.deployments[i].info["id"]: weight / whole for i, weight in ours.items()}
    theirs = answers[case]["first"]
    drawn = sum(theirs.values())
    assert set(theirs) == set(shares)
    for name, share in shares.items():
        # 400 draws: 5 standard deviations of a share
        assert abs(theirs[name] / drawn - share) < 5 * (share * (1 - share) / drawn) ** 0.5 + 1e-9
    by_name = {str(one.info["id"]): one.group for one in config.deployments}
    tried = [by_name[name.removeprefix("openai/")] for name in answers[case]["tried"]]
    assert [*dict.fromkeys(tried)] == [group, *rules.after(model)]


def test_the_script_is_python(tmp_path: Path) -> None:
    """Also where litellm is not: it has to be readable."""
    compile(SCRIPT.read_text(), str(SCRIPT), "exec")
    assert sys.version_info >= (3, 11)
