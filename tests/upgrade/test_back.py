"""Both releases' charts as docs/upgrade.md uses them: values, and the way back of a ledger."""

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.ledger.settings import parse
from tests.charts.helm import CHARTS, NoHelm, helm
from tests.upgrade import last

PAGE = (last.ROOT / "docs" / "upgrade.md").read_text()
BLOCK = re.compile(
    r"^```yaml not-run: tests/upgrade/test_back.py.*?\n(.*?)```", re.MULTILINE | re.DOTALL
)
VALUES = {
    "released": ("--set", "ledger.enabled=true,ledger.tokenSecret=ledger"),
    "next": ("-f", str(last.ROOT / "tests" / "charts" / "values" / "sqlite-ledger.yaml")),
}
"""With all that the chart knows: a console, a volume that goes with the StatefulSet."""


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`pointsman` of the last release, and of this tree, which is the older one some day."""
    try:
        packed = last.git("archive", last.known(last.commit()), "charts/pointsman")
    except last.NoRelease as error:
        pytest.skip(f"not run: {error}")
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return {"released": folder / "charts" / "pointsman", "next": CHARTS / "pointsman"}


def _render(chart: Path, *options: str) -> list[dict[str, Any]]:
    try:
        text = helm("template", "desk", str(chart), "--namespace", "ai", *options)
    except NoHelm as error:
        pytest.skip(f"not run: {error}")
    return [item for item in yaml.safe_load_all(text) if item]


def _ledger(items: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (item["spec"] for item in items if item["kind"] == "StatefulSet")
    return found  # type: ignore[no-any-return]


def test_every_value_of_the_last_release_is_one_still(charts: dict[str, Path]) -> None:
    """Who upgrades with a file that names them all is not refused."""
    assert _render(charts["next"], "-f", str(charts["released"] / "values.yaml"))


@pytest.mark.parametrize("version", ["released", "next"])
def test_no_ledger_for_a_while_is_a_release_like_any_other(
    charts: dict[str, Path], version: str
) -> None:
    """The page's values render; the volume stays, and routers keep events for it."""
    steps = re.findall(r"^helm upgrade desk OLDCHART .* --set (\S+)$", PAGE, re.MULTILINE)
    assert steps == ["ledger.replicas=0", "ledger.replicas=1"]
    for step in steps:
        items = _render(charts[version], *VALUES[version], "--set", step)
        assert f"ledger.replicas={_ledger(items)['replicas']}" == step
        (claim,) = _ledger(items)["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "store"
        policy = _ledger(items).get("persistentVolumeClaimRetentionPolicy", {})
        assert policy.get("whenScaled", "Retain") == "Retain"
        for item in items:
            if item["kind"] == "Deployment":
                (container,) = item["spec"]["template"]["spec"]["containers"]
                assert "--ledger=http://desk-ledger:9903" in container["args"]


def test_the_page_migrates_the_volume_that_the_ledger_has(charts: dict[str, Path]) -> None:
    """As the same account, at the same path, by flags that the program takes."""
    (block,) = BLOCK.findall(PAGE)
    pod = yaml.safe_load(block)["spec"]
    (container,) = pod["containers"]
    spec = _ledger(_render(charts["next"], *VALUES["next"]))["template"]["spec"]
    (own,) = spec["containers"]
    assert pod["securityContext"] == spec["securityContext"]
    assert container["securityContext"] == own["securityContext"]
    assert container["command"] == own["command"]
    assert {one["name"]: one["mountPath"] for one in container["volumeMounts"]}.items() <= {
        one["name"]: one["mountPath"] for one in own["volumeMounts"]
    }.items()
    assert pod["volumes"][0] == {
        "name": "store", "persistentVolumeClaim": {"claimName": "store-desk-ledger-0"},
    }  # fmt: skip
    asked = parse(container["args"], {})
    assert asked.migrate_to == 11
    assert f"--db={asked.db}" in own["args"]
