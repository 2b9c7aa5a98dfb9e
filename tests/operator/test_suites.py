"""The EvaluationSuite controller: what its status says, and that it converges by itself."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.api import names
from pointsman.api.conditions import Reason
from pointsman.evaluation.suite.content import Suite
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.controllers import suites
from pointsman.operator.controllers.suites import SuiteController, suite_keys
from pointsman.operator.plan.evaluating.telling import Hindrance, no_suite
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE
from tests.support.conditions import assert_well_formed, unexplained

PROMPT: dict[str, Any] = {"name": "a", "prompt": "x", "checks": [{"exact": "x"}]}
REF: dict[str, Any] = {"configMapRef": {"name": "more"}}


def suite(*, generation: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "EvaluationSuite",
        "metadata": {
            "name": "golden", "namespace": NAMESPACE, "uid": "u", "generation": generation,
        },
        "spec": spec,
    }  # fmt: skip


def config_map(*lines: dict[str, Any] | str, key: str = "prompts.jsonl") -> dict[str, Any]:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "more", "namespace": NAMESPACE},
        "data": {key: text},
    }


async def told(api: FakeApi, controller: SuiteController | None = None) -> dict[str, Any]:
    """The status after one look, checked against the rules of conditions."""
    await (controller or SuiteController(api)).reconcile("golden")
    item = api.stored["EvaluationSuite", "golden"]
    status: dict[str, Any] = item["status"]
    assert_well_formed(status, generation=item["metadata"]["generation"])
    assert unexplained("EvaluationSuite", status) == []
    return status


def of(status: dict[str, Any], kind: str) -> tuple[str, str, str]:
    one = next((c for c in status["conditions"] if c["type"] == kind), None)
    return (one["status"], one["reason"], one["message"]) if one else ("", "", "")


async def test_a_good_suite_is_ready() -> None:
    """With the number of its prompts and the hash that results are kept by."""
    api = FakeApi()
    api.put(suite(prompts=[PROMPT]))
    status = await told(api)

    assert of(status, "Ready")[:2] == ("True", "Ready")
    assert status["prompts"] == 1
    assert len(status["contentHash"]) == 16


async def test_it_converges_when_its_config_map_comes_changes_and_goes() -> None:
    """Waiting, ready, broken with the line's number, ready again, waiting."""
    api = FakeApi()
    api.put(suite(prompts=[PROMPT], **REF))
    controller = SuiteController(api)
    waits = await told(api, controller)
    assert of(waits, "Ready")[:2] == ("False", "ConfigMapNotFound")
    assert of(waits, "Ready")[2] == (
        "spec.configMapRef: there is no ConfigMap more, key prompts.jsonl"
    )
    assert of(waits, "Accepted")[0] == "Unknown"
    assert of(waits, "Reconciling")[0] == "True"
    assert "prompts" not in waits

    api.put(config_map(PROMPT | {"name": "b"}))
    ready = await told(api, controller)
    assert (of(ready, "Ready")[0], ready["prompts"]) == ("True", 2)

    api.put(config_map(PROMPT | {"name": "b"}, "{"))
    broken = await told(api, controller)
    assert of(broken, "Ready")[:2] == ("False", "Invalid")
    assert "ConfigMap more, key prompts.jsonl, line 2: " in of(broken, "Accepted")[2]
    assert of(broken, "Stalled")[0] == "True"

    api.put(config_map(PROMPT | {"name": "b"}, key="other.jsonl"))
    assert of(await told(api, controller), "ResolvedRefs")[:2] == ("False", "ConfigMapNotFound")
    api.put(config_map(PROMPT | {"name": "c"}))
    again = await told(api, controller)
    assert of(again, "Ready")[0] == "True"
    assert again["contentHash"] != ready["contentHash"]


@pytest.mark.parametrize(
    ("check", "field", "why"),
    [
        ({"jsonSchema": '{"type": "objekt"}'}, "spec.prompts[0].checks[0].jsonSchema", "objekt"),
        ({"jsonSchema": '{"$ref": "https://a/b"}'}, "checks[0].jsonSchema", "leads out"),
        ({"regex": "("}, "spec.prompts[0].checks[0].regex", "RE2"),
        ({"judge": {"rubric": "x"}}, "spec.judge", "names none"),
        ({"new": "field of a later release"}, "spec.prompts[0].checks[0]", "exactly one of"),
    ],
)
async def test_a_check_that_cannot_be_used_is_named(
    check: dict[str, Any], field: str, why: str
) -> None:
    """By its field; an edit is needed, the ConfigMap would not help."""
    api = FakeApi()
    api.put(suite(prompts=[PROMPT | {"checks": [check]}], **REF))
    status = await told(api)
    state, reason, message = of(status, "Ready")

    assert (state, reason) == ("False", "Invalid")
    assert field in message
    assert why in message
    assert of(status, "Stalled")[0] == "True"


@pytest.mark.slow
async def test_too_many_prompts_are_too_large() -> None:
    """Of one ConfigMap."""
    api = FakeApi()
    api.put(suite(**REF), config_map(*(PROMPT | {"name": f"p{i}"} for i in range(2001))))

    assert of(await told(api), "Ready")[:2] == ("False", "TooLarge")


async def test_an_unchanged_suite_is_neither_judged_nor_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resync of many suites costs a read each."""
    api = FakeApi()
    api.put(suite(prompts=[PROMPT], **REF), config_map(PROMPT | {"name": "b"}))
    controller = SuiteController(api)
    before = await told(api, controller)
    monkeypatch.delattr(suites, "judge")
    writes: list[str] = []
    api.hook = lambda what, _: writes.append(what)

    assert await told(api, controller) == before
    assert writes == ["get", "get"]


async def test_a_suite_that_is_gone_needs_nothing() -> None:
    """And leaves nothing behind."""
    api = FakeApi()
    await SuiteController(api).reconcile("golden")

    assert api.stored == {}


async def test_config_maps_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those of suites that refer to one."""
    monkeypatch.setattr(suites, "POLL_S", 0.01)
    api = FakeApi()
    api.put(suite(**REF))
    controller, added = SuiteController(api), asyncio.Queue[str]()
    await told(api, controller)
    polling = asyncio.create_task(controller.run(added.put_nowait))
    try:
        assert await asyncio.wait_for(added.get(), 5) == "suite/golden"
        api.put(suite(prompts=[PROMPT], generation=2))
        await controller.reconcile("golden")
        while not added.empty():
            added.get_nowait()
        await asyncio.sleep(0.05)
        assert added.empty()
    finally:
        polling.cancel()


def test_each_suite_has_a_key() -> None:
    """For resyncs."""
    assert suite_keys([suite()]) == ["suite/golden"]


async def begun(controller: SuiteController) -> "asyncio.Task[None]":
    """It has looked at all suites."""
    task = asyncio.create_task(controller.run(lambda _: None))
    async with asyncio.timeout(5):
        while controller.found("nothing") is None:  # noqa: ASYNC110 - plain data
            await asyncio.sleep(0)
    return task


async def test_what_is_run_of_a_suite_is_known_once_all_were_looked_at() -> None:
    """Not ready before: a suite that was not read yet is not one that is missing."""
    api = FakeApi()
    judges: list[Mapping[str, str]] = []
    api.put(suite(prompts=[PROMPT], judge={"model": "big"}))
    controller = SuiteController(api, judges.append)
    assert controller.found("golden") is None
    task = await begun(controller)
    found = controller.found("golden")
    assert isinstance(found, Suite)
    assert list(found.prompts) == ["a"]
    assert judges == [{"golden": "big"}]
    missing = controller.found("other")
    assert isinstance(missing, Hindrance)
    assert missing.reason is Reason.SUITE_NOT_FOUND
    api.put(suite(prompts=[PROMPT], generation=2, **REF))
    await told(api, controller)
    waits = controller.found("golden")
    assert isinstance(waits, Hindrance)
    assert (waits.reason, "ConfigMap more" in waits.message) == (Reason.SUITE_NOT_READY, True)
    assert judges[-1] == {}
    del api.stored["EvaluationSuite", "golden"]
    await controller.reconcile("golden")
    assert controller.found("golden") == no_suite("golden")
    task.cancel()


async def test_a_suite_that_goes_while_all_are_looked_at_is_gone() -> None:
    """It would never be heard of again."""
    api = FakeApi()
    api.put(suite(**REF), config_map(PROMPT))
    controller = SuiteController(api)

    def vanish(what: str, kind: Kind) -> None:
        if (what, kind.name) == ("get", "ConfigMap"):
            api.hook = lambda *_: None
            del api.stored["EvaluationSuite", "golden"]
            removed.append(asyncio.ensure_future(controller.reconcile("golden")))

    removed: list[asyncio.Future[None]] = []
    api.hook = vanish
    task = await begun(controller)
    await asyncio.gather(*removed)
    assert controller.found("golden") == no_suite("golden")
    task.cancel()
