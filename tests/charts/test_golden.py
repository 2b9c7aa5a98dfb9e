"""What the charts render is on file, and the Kustomize bases are rendered from the charts."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.ledger.contract import MIGRATION_S
from tests.charts import golden
from tests.charts.helm import CHARTS, NoHelm, objects


def test_nothing_was_touched_since_the_files_were_written() -> None:
    """Known without helm: `python -m tests.charts.golden` writes them anew."""
    assert not golden.unrecorded(), "charts/, values or outputs differ from the digest"


def test_the_charts_render_what_is_on_file() -> None:
    """Every value set, and both bases."""
    try:
        assert golden.stale() == []
    except NoHelm as error:
        pytest.skip(f"not run: {error}")


def test_a_chart_that_was_edited_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte in one template is enough."""
    (tmp_path / "template.yaml").write_text("a: 1\n")
    monkeypatch.setattr(golden, "CHARTS", tmp_path)
    monkeypatch.setattr(golden, "ROOT", tmp_path)
    for name in ("VALUES", "GOLDEN", "KUSTOMIZE"):
        monkeypatch.setattr(golden, name, tmp_path / name.lower())
    monkeypatch.setattr(golden, "DIGEST", tmp_path / "golden" / "digest")
    golden.GOLDEN.mkdir()
    assert golden.unrecorded()
    golden.DIGEST.write_text(golden._digest())
    assert not golden.unrecorded()
    (tmp_path / "template.yaml").write_text("a: 2\n")
    assert golden.unrecorded()


@pytest.mark.parametrize("values", ["sqlite-ledger", "production"])
def test_a_ledger_is_not_ended_while_it_migrates(values: str) -> None:
    """It listens when its store has its schema, and may have asked for the store a minute long."""
    text = (golden.GOLDEN / f"{values}.yaml").read_text()
    (ledger,) = (
        one
        for one in objects(text)
        if one["kind"] == "StatefulSet" and one["metadata"]["name"].endswith("-ledger")
    )
    probe = ledger["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > MIGRATION_S + 60


def kustomized(folder: str) -> list[dict[str, Any]]:
    """What `kubectl kustomize` makes of a folder under deploy/kustomize."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(golden.KUSTOMIZE / folder)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return objects(done.stdout)


def test_an_overlay_moves_all_of_it() -> None:
    """Namespaces, subjects, images and names without a namespace; nothing still says the base's."""
    base, moved = kustomized("base"), kustomized("overlays/models")
    assert len(moved) == len(base) > 15
    assert {item["metadata"].get("namespace") for item in base} == {"pointsman", None}
    for item in moved:
        assert item["metadata"].get("namespace") in ("models", None)
        for subject in item.get("subjects", ()):
            assert subject["namespace"] == "models"
        if "namespace" not in item["metadata"]:
            assert item["metadata"]["name"].endswith(":models"), item["metadata"]
        for container in (
            item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
        ):
            assert container["image"].startswith("registry.example.com/")
            assert "--namespace=$(POD_NAMESPACE)" in container["args"]
    roles = {i["metadata"]["name"] for i in moved if i["kind"] == "ClusterRole"}
    assert {i["roleRef"]["name"] for i in moved if i["kind"] == "ClusterRoleBinding"} == roles
    text = yaml.safe_dump_all(base)
    assert "Helm" not in text
    assert "helm.sh" not in text


def test_every_template_is_rendered_for_each_namespace() -> None:
    """One that is not would be missing in all namespaces but the release's own."""
    folder = CHARTS / "pointsman" / "templates"
    named = [path for path in folder.glob("*.yaml") if path.name != "refusals.yaml"]
    assert len(named) > 25
    for path in named:
        text = path.read_text()
        assert text.startswith('{{- include "pointsman.each" . }}\n'), path.name
        assert f'{{{{- define "{path.name}" }}}}' in text
