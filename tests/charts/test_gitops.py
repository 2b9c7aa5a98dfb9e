"""The examples for Argo CD and Flux, on an API server that knows their kinds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.bench.fixtures import required
from tests.charts.helm import CHARTS, template
from tests.monitoring.crds import ARGO, FLUX, GATEWAY, NoCrds, crds

DEPLOY = CHARTS.parent / "deploy"
CASES = {
    "argocd/applications.yaml": ("argocd", [ARGO]),
    "flux/pointsman.yaml": ("flux-system", list(FLUX)),
}


def objects(file: str) -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all((DEPLOY / file).read_text()) if item]


@pytest.fixture(scope="module")
def served(bench: Bench) -> Iterator[Bench]:
    """The API server knows Argo CD's, Flux's and Gateway API's kinds."""
    names = []
    try:
        folders = [crds(module) for _, modules in CASES.values() for module in modules]
        folders.append(crds(GATEWAY))
    except NoCrds as error:
        if required():
            raise
        pytest.skip(f"not run: {error}")
    for folder in folders:
        bench.apply(folder)
        found = [yaml.safe_load(file.read_text()) for file in folder.glob("*.yaml")]
        names += [f"crd/{one['metadata']['name']}" for one in found]
    bench.kubectl("wait", "--for=condition=Established", "--timeout=90s", *names)
    yield bench
    bench.kubectl("delete", "--wait=false", *names)


@pytest.mark.bench
@pytest.mark.parametrize("file", CASES)
def test_their_kinds_take_the_examples(served: Bench, file: str) -> None:
    """Unknown fields are refused, and one that we put in is."""
    namespace, _ = CASES[file]
    served.kubectl("create", "namespace", namespace, check=False)
    options = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    items = objects(file)
    said = served.kubectl(*options, input=yaml.safe_dump_all(items))
    assert said.count("(server dry run)") == len(items)
    items[-1]["spec"]["unheardOf"] = 1
    with pytest.raises(CommandFailed, match="unheardOf"):
        served.kubectl(*options, input=yaml.safe_dump_all(items))
    served.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.bench
def test_gateway_api_takes_the_route(served: Bench) -> None:
    """And what is stored is what the chart said: nothing for a sync to put back."""
    values = CHARTS.parent / "tests" / "charts" / "values" / "production.yaml"
    text = template(["-f", str(values)], release="desk", namespace="default")
    (route,) = [i for i in yaml.safe_load_all(text) if i and i["kind"] == "HTTPRoute"]
    said = served.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-",
        input=json.dumps(route),
    )  # fmt: skip
    assert json.loads(said)["spec"] == route["spec"]
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_the_values_of_the_examples_are_the_charts() -> None:
    """Each path that they name is in this tree, and the chart takes their values."""
    application = objects("argocd/applications.yaml")[1]["spec"]["source"]
    release = objects("flux/pointsman.yaml")[2]["spec"]
    assert application["helm"]["valuesObject"] == release["values"]
    paths = [item["spec"]["source"]["path"] for item in objects("argocd/applications.yaml")]
    flux = objects("flux/pointsman.yaml")
    paths += [item["spec"]["chart"]["spec"]["chart"] for item in flux[1:3]]
    paths.append(flux[3]["spec"]["path"])
    assert [path for path in paths if not (CHARTS.parent / path).is_dir()] == []


def test_argo_is_told_of_every_kind() -> None:
    """A kind without a check is healthy as soon as it is there."""
    (patch,) = objects("argocd/health.yaml")
    crd = [yaml.safe_load(p.read_text()) for p in (CHARTS.parent / "crds/manifests").glob("*.yaml")]
    wanted = {
        f"resource.customizations.health.pointsman.dev_{i['spec']['names']['kind']}" for i in crd
    }
    assert set(patch["data"]) == wanted
    assert len(set(patch["data"].values())) == 1
