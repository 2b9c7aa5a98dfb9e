"""Releases side by side: namespaces know nothing of each other, and a namespace has one release."""

import json

import pytest

from tests.e2e.fleet import RELEASE, ROUTERS, Fleet, callers, rendered
from tests.e2e.test_4_broken import answered_by, wait_condition

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
SECOND = "second"


def said_by(fleet: Fleet) -> set[str]:
    """The first word of every router's answer to the same short question: its model's name."""
    found = set()
    for url in fleet.routers():
        with fleet.client(url) as sdk:
            answer = sdk.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=8
            )
            found.add((answer.choices[0].message.content or "").split()[0])
    return found


def test_equal_names_in_two_namespaces_do_not_meet(fleet: Fleet, calm: Fleet) -> None:
    """Same release, policy, backend and model name; each is answered by its own."""
    model = '{"spec": {"model": "calm-model"}}'
    calm.kubectl("patch", "mb", "qwen-light", "--type=merge", "-p", model)
    calm.kubectl("rollout", "status", "deployment/qwen-light-model", "--timeout=120s")
    wait_condition(calm, "mb", "qwen-light", "Ready", status="True")
    wait_condition(calm, "rp", "support-desk", "Ready", status="True")
    calm.cluster.wait_for(lambda: said_by(calm) == {"calm-model"}, 60, "the other model's answers")
    assert said_by(fleet) == {"qwen3-8b"}
    assert fleet.get("mb", "qwen-light")["spec"]["model"] == "qwen3-8b"

    calm.kubectl("delete", "rp/support-desk")
    assert answered_by(fleet, "auto") == "qwen-light"
    assert fleet.condition("rp", "support-desk", "Ready")["status"] == "True"
    calm.apply_example("02-support-desk")
    calm.wait_ready("mb", "rp")


def test_a_second_release_in_a_namespace_is_refused_until_the_first_is_gone(calm: Fleet) -> None:
    """Its operator says why and touches nothing; once alone, it takes over by itself."""
    calm.wait_ready("mb", "rp")
    first = rendered(calm.cluster, calm.namespace)
    second = Fleet(calm.cluster, calm.namespace, SECOND)
    before = untouched(calm)
    chart = rendered(calm.cluster, calm.namespace, SECOND)
    calm.kubectl("apply", "-f", "-", stdin=callers(SECOND))
    calm.kubectl("apply", "--server-side", "-f", "-", stdin=chart)
    said = calm.cluster.wait_for(lambda: refusal(second), 90, "a refusal in the operator's log")
    assert f'release "{RELEASE}" serves namespace "calm"' in said
    assert {ready(pod) for pod in second.pods("operator") + second.pods("router")} == {"False"}
    made = calm.kubectl("get", "configmap,lease", "-o", "name").split()
    assert [name for name in made if SECOND in name] == [f"configmap/{SECOND}-owner"]  # the chart's
    wait_edit(calm)  # the first goes on
    assert untouched(calm) == before

    calm.kubectl("delete", "--wait=true", "-f", "-", stdin=first)
    calm.cluster.wait_for(
        lambda: (
            calm.get("rp", "support-desk")["status"]["routers"]["summary"] == f"{ROUTERS}/{ROUTERS}"
            and len(second.pods("router")) == ROUTERS
            and {ready(pod) for pod in second.pods("router")} == {"True"}
        ),
        90,
        "the second release in force",
    )
    wait_edit(calm)
    assert said_by(second) == {"qwen3-8b"}


def refusal(fleet: Fleet) -> str:
    """The line of the operator's log that says why it waits."""
    pods = fleet.pods("operator")
    log = fleet.cluster.log(fleet.namespace, pods[0]["metadata"]["name"]) if pods else ""
    line = next((line for line in log.splitlines() if "NamespaceTaken" in line), "{}")
    return str(json.loads(line).get("error", ""))


def ready(pod: dict[str, object]) -> str:
    """Its condition Ready."""
    status = pod["status"]
    assert isinstance(status, dict)
    return next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "")


def untouched(fleet: Fleet) -> list[tuple[str, str, str]]:
    """The backends' children and their pods."""
    kinds = "deployments,services,pods"
    items = fleet.every(kinds, "pointsman.dev/backend")
    return sorted(
        (item["kind"], item["metadata"]["name"], item["metadata"]["uid"])
        for item in items
        if "deletionTimestamp" not in item["metadata"]
    )


def wait_edit(fleet: Fleet) -> None:
    """An edit of the policy comes into force on all routers."""
    timeouts = fleet.get("rp", "support-desk")["spec"]["default"].get("timeouts", {})
    request = "99s" if timeouts.get("request") != "99s" else "98s"
    patch = json.dumps({"spec": {"default": {"timeouts": {"request": request}}}})
    fleet.kubectl("patch", "rp", "support-desk", "--type=merge", "-p", patch)
    wait_condition(fleet, "rp", "support-desk", "Programmed", status="True")
    wait_condition(fleet, "rp", "support-desk", "Ready", status="True")
