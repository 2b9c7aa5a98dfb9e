"""The generated CRDs: structural, described, bounded, and fresh."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pointsman.api.schema import definition, render, structural
from pointsman.api.schema.__main__ import main, wanted
from pointsman.api.schema.crd import KINDS, Kind
from pointsman.api.validation import ApiModel

Node = dict[str, Any]
FORBIDDEN = {"$ref", "$defs", "title", "const", "oneOf", "allOf", "not", "nullable", "default_"}


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every schema node with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def schema_of(kind: Kind) -> Node:
    version = definition(kind)["spec"]["versions"][0]
    schema: Node = version["schema"]["openAPIV3Schema"]
    return schema


def spec_nodes(kind: Kind) -> list[tuple[str, Node]]:
    return list(nodes(schema_of(kind)["properties"]["spec"], "spec"))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_every_node_has_a_type_and_nothing_that_kubernetes_forbids(kind: Kind) -> None:
    """A structural schema has a type everywhere, and no $ref, union or title."""
    for path, node in nodes(schema_of(kind)):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert not FORBIDDEN & node.keys(), path
        assert "anyOf" not in node or node.get("x-kubernetes-int-or-string"), path
        assert not (node.get("properties") and node.get("additionalProperties")), path


def test_every_field_has_a_description(kind: Kind) -> None:
    """`kubectl explain` says something about each field, in a sentence."""
    for path, node in nodes(schema_of(kind)):
        for name, field in node.get("properties", {}).items():
            if (path, name) != ("", "metadata"):
                assert field.get("description", "").endswith("."), f"{path}.{name}"


def test_every_string_list_and_map_of_a_spec_is_bounded(kind: Kind) -> None:
    """The API server estimates a rule's cost from these bounds, and refuses what has none."""
    for path, node in spec_nodes(kind):
        match node.get("type"):
            case "string":
                assert "maxLength" in node or "enum" in node, path
            case "array":
                assert "maxItems" in node, path
                assert "x-kubernetes-list-type" in node, path
            case "integer":
                assert "minimum" in node, path
                assert "maximum" in node, path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path


def test_defaults_are_scalars_outside_of_lists(kind: Kind) -> None:
    """What the API server adds inside a list makes GitOps tools see a difference forever."""
    for path, node in nodes(schema_of(kind)):
        if "default" in node:
            assert isinstance(node["default"], str | int), path
            assert "[]" not in path, path


def test_unstored_defaults_are_in_the_description() -> None:
    """What an absent field means is said where people look for it."""
    policy = dict(spec_nodes(KINDS[1]))
    assert policy["spec.rules[].targets[].weight"]["description"].endswith("Default: 1.")
    assert policy["spec.default.timeouts.request"]["description"].endswith("Default: 10m.")


def test_rules_are_validations_whose_field_exists(kind: Kind) -> None:
    """Each rule has a message and a reason; its fieldPath names a property beside it."""
    count = 0
    for path, node in nodes(schema_of(kind)):
        for rule in node.get("x-kubernetes-validations", ()):
            count += 1
            assert rule["message"], path
            assert "\n" not in rule["message"]
            assert rule["reason"] == "FieldValueInvalid"
            field = rule.get("fieldPath", "")
            assert field == "" or field.removeprefix(".") in node["properties"], path
    assert count >= 9


def test_the_name_rule_is_at_the_root(kind: Kind) -> None:
    """metadata.name is visible to rules at the object's root only."""
    rules = [rule["rule"] for rule in schema_of(kind)["x-kubernetes-validations"]]
    assert any("self.metadata.name" in rule for rule in rules)


def test_backends_scale_and_all_kinds_have_status() -> None:
    """An HPA needs all three paths of the scale subresource."""
    backend, policy, suite = (definition(kind)["spec"]["versions"][0] for kind in KINDS)
    assert backend["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert policy["subresources"] == suite["subresources"] == {"status": {}}


def test_no_manifest_holds_what_helm_would_render(kind: Kind) -> None:
    """The same bytes are a chart's template."""
    assert "{{" not in render(kind)
    assert yaml.safe_load(render(kind)) == definition(kind)


@pytest.mark.slow
def test_the_checked_in_files_are_fresh() -> None:
    """`python -m pointsman.api.schema --check` passes on this tree."""
    assert main(["--check"]) == 0


@pytest.mark.slow
def test_check_names_the_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed or missing file is named, and nothing is written."""
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--check"]) == 0
    changed, missing, *_ = sorted(wanted(tmp_path))
    changed.write_text("old")
    missing.unlink()
    capsys.readouterr()
    assert main(["--root", str(tmp_path), "--check"]) == 1
    complaint = capsys.readouterr().err
    assert str(changed.relative_to(tmp_path)) in complaint
    assert str(missing.relative_to(tmp_path)) in complaint
    assert changed.read_text() == "old"
    assert not missing.exists()


class _Union(BaseModel):
    either: int | str


class _Recursive(ApiModel):
    child: "_Recursive | None" = None


@pytest.mark.parametrize("model", [_Union, _Recursive])
def test_what_has_no_structural_schema_is_refused(model: type[BaseModel]) -> None:
    """A union or a recursion fails at generation, not at the API server."""
    with pytest.raises(ValueError, match=r"union|contains itself"):
        structural(model)
