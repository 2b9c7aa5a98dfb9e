"""Kinds on a real API server: upgraded by their chart, too old for the operator, stored anew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.e2e.fleet import EXAMPLES, RELEASE, ROOT, Fleet, install
from tests.e2e.objects import apply, backend, policy
from tests.upgrade import storing

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
Json = dict[str, Any]
NAMESPACE = "kinds"
UNSERVED = "kinds-unserved"
"""No operator looks at it, so nobody writes its objects but the tests."""
CHART = ROOT / "charts" / "pointsman-crds"
SUITES = "evaluationsuites.pointsman.dev"
POLICIES = "routingpolicies.pointsman.dev"
GROUP_URL = "/apis/pointsman.dev"


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with a model and a policy."""
    running = install(bench, NAMESPACE, values="router.replicas=1,operator.replicas=1")
    apply(running, backend("a"), policy("desk", "auto", "a"))
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(autouse=True)
def _left_as_found(bench: Bench) -> Iterator[None]:
    """Other tests have the same kinds after ours, even after one that failed half-way."""
    yield
    _kinds(bench)


def _kinds(bench: Bench) -> None:
    """Those of the chart, whatever is there, and nobody's but the chart's."""
    text = bench.helm("template", "pointsman-crds", str(CHART))
    crds = [one for one in yaml.safe_load_all(text) if one["kind"] == "CustomResourceDefinition"]
    for crd in crds:
        storing.return_to(bench, crd)
    bench.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
    names = ("crd", *(crd["metadata"]["name"] for crd in crds))
    released = ("meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-")
    bench.kubectl("annotate", *names, *released)
    bench.kubectl("wait", "--for=condition=Established", *names, "--timeout=90s")
    # kubectl remembers for hours which versions there were, and asks for the newest.
    shutil.rmtree(bench.dir / "kubectl-cache", ignore_errors=True)


def _definition(name: str) -> Json:
    found: Json = yaml.safe_load((CHART / "templates" / f"pointsman.dev_{name}.yaml").read_text())
    return found


def _readiness(fleet: Fleet) -> str:
    """What the newest operator pod says; empty: it is ready."""
    pods = sorted(fleet.pods("operator"), key=lambda pod: pod["metadata"]["creationTimestamp"])
    url = f"http://{pods[-1]['status'].get('podIP')}:9902/readyz"
    try:
        with urlopen(url, timeout=5) as answer:
            return "" if answer.status == 200 else str(answer.status)
    except HTTPError as error:
        with error:
            return error.read().decode()
    except (URLError, OSError) as error:
        return f"no answer: {error}"


def _answers(fleet: Fleet) -> bool:
    (url,) = fleet.routers()
    with fleet.client(url) as client:
        said = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=3
        )
    return bool(said.choices)


def _restarts(fleet: Fleet) -> int:
    return sum(
        one["restartCount"]
        for pod in fleet.pods("operator")
        for one in pod["status"].get("containerStatuses", ())
    )


def test_an_operator_that_is_newer_than_the_kinds_says_so_and_works(fleet: Fleet) -> None:
    """A field of the spec, one of the status and a kind are missing; all else goes on."""
    bench = fleet.bench
    older = _definition("routingpolicies")
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["spec"]["properties"]["humanReview"]
    del schema["spec"]["x-kubernetes-validations"]  # some are about it
    del schema["status"]["properties"]["routers"]
    bench.kubectl("delete", "crd", SUITES, "--wait=true")
    text = yaml.safe_dump(older)
    bench.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
    (before,) = fleet.pods("operator")
    fleet.kubectl("rollout", "restart", f"deployment/{RELEASE}-operator")

    said = bench.wait_for(
        lambda: (found := _readiness(fleet)).startswith("CrdTooOld") and found, 120, "readiness"
    )
    assert f"{SUITES} is not there" in str(said)
    assert f"{POLICIES} lacks spec.humanReview, status.routers" in str(said)
    assert "helm upgrade --install pointsman-crds" in str(said)
    names = {pod["metadata"]["name"] for pod in fleet.pods("operator")}
    assert before["metadata"]["name"] in names, "the rollout waits, the older one leads"
    assert _answers(fleet)

    # The older one is lost: the newer one leads all the same.
    fleet.kubectl("delete", "pod", before["metadata"]["name"], "--grace-period=1", "--wait=true")
    apply(fleet, backend("b"), policy("second", "second", "b"))
    bench.wait_for(
        lambda: fleet.condition("rp", "second", "Ready").get("status") == "True", 240, "a policy"
    )
    assert "routers" not in fleet.get("rp", "second")["status"]
    assert _answers(fleet)
    assert _restarts(fleet) == 0, fleet.story()

    _kinds(bench)
    bench.wait_for(lambda: _readiness(fleet) == "", 120, "an operator that is ready")
    bench.wait_for(
        lambda: "routers" in fleet.get("rp", "second")["status"], 240, "the whole status"
    )
    fleet.kubectl("apply", "-f", str(EXAMPLES / "17-golden-prompts" / "suite.yaml"))
    bench.wait_for(lambda: fleet.condition("es", "desk", "Ready"), 240, "a suite that is looked at")
    assert _restarts(fleet) == 0, "it went on by itself"


@pytest.fixture
def unserved(bench: Bench) -> Iterator[list[str]]:
    """Policies that nobody writes: namespace/name."""
    names = [f"still-{number}" for number in range(3)]
    _kinds(bench)
    bench.kubectl("create", "namespace", UNSERVED)
    apply(Fleet(bench, UNSERVED), *(policy(name, name, "a") for name in names))
    yield [f"{UNSERVED}/{name}" for name in names]
    bench.kubectl("delete", "namespace", UNSERVED, "--wait=true")  # it may be played again


def test_stored_objects_go_to_a_new_version_and_the_old_one_goes_away(
    fleet: Fleet, unserved: list[str]
) -> None:
    """Nothing is lost on the way, and the operator goes on all the while."""
    bench = fleet.bench
    for number in range(3):
        apply(fleet, policy(f"kept-{number}", f"kept-{number}", "a"))
    fleet.wait_ready("rp")
    before = _specs(bench, "v1alpha1")
    assert len(before) >= 3 + len(unserved)
    assert _crd(bench)["status"]["storedVersions"] == ["v1alpha1"]
    assert set(storing.lying("routingpolicies").values()) == {"v1alpha1"}

    two = storing.with_next(_definition("routingpolicies"), "v1beta1")
    _apply(bench, two)
    bench.wait_for(
        lambda: _crd(bench)["status"]["storedVersions"] == ["v1alpha1", "v1beta1"], 60, "both"
    )
    served = bench.wait_for(lambda: _specs(bench, "v1beta1"), 60, "the new version")
    assert served == before, "served before anything is stored in it"
    with pytest.raises(CommandFailed, match=r"storedVersions|may not be removed|must appear"):
        _apply(bench, storing.without(two, "v1alpha1"))

    # What an operator serves goes over whenever it writes a status; all else stays.
    lie = storing.lying("routingpolicies")
    assert {lie[name] for name in unserved} == {"v1alpha1"}
    assert storing.rewrite(bench, "routingpolicies.v1beta1.pointsman.dev") >= len(before)
    assert set(storing.lying("routingpolicies").values()) == {"v1beta1"}
    storing.forget(bench, POLICIES, "v1beta1")
    apply(fleet, policy("kept-3", "kept-3", "a"))  # the operator still speaks the old version
    bench.wait_for(
        lambda: fleet.condition("rp", "kept-3", "Ready").get("status") == "True", 120, "a policy"
    )
    assert _answers(fleet)

    _apply(bench, storing.without(two, "v1alpha1"))
    bench.wait_for(lambda: _crd(bench)["status"]["storedVersions"] == ["v1beta1"], 60, "one")
    after = _specs(bench, "v1beta1")
    assert before.items() <= after.items()
    assert _answers(fleet), "routers have what they had"

    storing.return_to(bench, _definition("routingpolicies"))  # the same way, back
    assert _crd(bench)["status"]["storedVersions"] == ["v1alpha1"]
    assert _specs(bench, "v1alpha1") == after
    bench.wait_for(lambda: _readiness(fleet) == "", 120, "an operator that is ready")
    assert _restarts(fleet) == 0, fleet.story()


def test_the_way_back_is_open_half_way(bench: Bench, unserved: list[str]) -> None:
    """One object went over, the others did not: all come back, and before that no CRD does."""
    one, old = unserved[0].split("/")[1], _definition("routingpolicies")
    before = _specs(bench, "v1alpha1")
    _apply(bench, storing.with_next(old, "v1beta1"))
    bench.wait_for(lambda: _specs(bench, "v1beta1"), 60, "the new version")
    kind = "routingpolicies.v1beta1.pointsman.dev"
    bench.kubectl("-n", UNSERVED, "annotate", kind, one, "went=over")
    lie = storing.lying("routingpolicies")
    assert [lie[name] for name in unserved] == ["v1beta1", "v1alpha1", "v1alpha1"]
    with pytest.raises(CommandFailed, match=r"missing from spec\.versions"):
        _apply(bench, old)

    storing.return_to(bench, old)
    assert _crd(bench)["status"]["storedVersions"] == ["v1alpha1"]
    assert set(storing.lying("routingpolicies").values()) == {"v1alpha1"}
    assert _specs(bench, "v1alpha1") == before


def _apply(bench: Bench, crd: Json) -> None:
    bench.kubectl("replace", "-f", "-", input=yaml.safe_dump(crd))


def _crd(bench: Bench) -> Json:
    found: Json = json.loads(bench.kubectl("get", "crd", POLICIES, "-o", "json"))
    return found


def _specs(bench: Bench, version: str) -> dict[str, Json]:
    """UID -> spec of every policy of these tests, asked in a version."""
    found = json.loads(bench.kubectl("get", "--raw", f"{GROUP_URL}/{version}/routingpolicies"))
    return {
        one["metadata"]["uid"]: one["spec"]
        for one in found["items"]
        if one["metadata"]["namespace"] in (NAMESPACE, UNSERVED)
    }


def test_kinds_are_upgraded_by_helm_and_outlive_their_chart(bench: Bench, tmp_path: Path) -> None:
    """They are templates: what helm has in `crds/` it never touches again."""
    assert not (CHART / "crds").exists()
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    file = older / "templates" / "pointsman.dev_evaluationsuites.yaml"
    definition = yaml.safe_load(file.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    file.write_text(yaml.safe_dump(definition))

    def columns() -> int:
        found = json.loads(bench.kubectl("get", "crd", SUITES, "-o", "json"))
        return len(found["spec"]["versions"][0]["additionalPrinterColumns"])

    take = ("--take-ownership", "--force-conflicts")
    bench.helm("upgrade", "--install", "pointsman-crds", str(older), *take)
    fewer = columns()
    bench.helm("upgrade", "pointsman-crds", str(CHART))
    assert columns() == fewer + 1
    bench.helm("uninstall", "pointsman-crds")
    assert columns() == fewer + 1, "kept: with a kind go all its objects"


def test_helm_refuses_what_belongs_to_somebody_else(bench: Bench, namespace: str) -> None:
    """An upgrade that would take over an object stops before it changes anything, and names it."""
    small = ("--set", "router.replicas=1,operator.replicas=1", "--namespace", namespace)
    chart = str(ROOT / "charts" / "pointsman")
    bench.helm("install", "desk", chart, *small)
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "desk-dashboards", "namespace": namespace},
        "data": {"theirs": "yes"},
    }
    bench.kubectl("create", "-f", "-", input=json.dumps(theirs))
    before = bench.get("deployment", "desk-router", namespace)
    asked = ("--set", "monitoring.dashboards.enabled=true,router.logLevel=debug")
    with pytest.raises(CommandFailed) as refused:
        bench.helm("upgrade", "desk", chart, *small, *asked)

    for word in ("desk-dashboards", "cannot be imported into the current release", "ownership"):
        assert word in str(refused.value)
    found = bench.get("configmap", "desk-dashboards", namespace)
    assert found is not None
    assert found["data"] == {"theirs": "yes"}
    after = bench.get("deployment", "desk-router", namespace)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]

    bench.kubectl("-n", namespace, "delete", "configmap", "desk-dashboards")
    bench.helm("upgrade", "desk", chart, *small, *asked)
    assert bench.get("configmap", "desk-dashboards", namespace) is not None
    bench.helm("uninstall", "desk", "--namespace", namespace)
