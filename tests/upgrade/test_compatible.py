"""What users of the last release rely on is still there: kinds, and the pods of their models.

A break that is meant stands in `released/breaks.yaml`, with its reason.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from pointsman.api.schema.changes import Break, changes, kept, lacking
from pointsman.api.schema.crd import KINDS, definition, file_name
from pointsman.operator.settings import VLLM_IMAGE
from tests.operator.golden import SPECS, rendered
from tests.upgrade import last

Json = dict[str, Any]
BACKEND = yaml.safe_load((last.CRDS / "pointsman.dev_modelbackends.yaml").read_text())


def _found() -> Iterator[tuple[str, str]]:
    """(where, change) of every break there is."""
    now = {file_name(kind): definition(kind) for kind in KINDS}
    for file in sorted(last.CRDS.glob("*.yaml")):
        older = yaml.safe_load(file.read_text())
        name = older["metadata"]["name"]
        if file.name not in now:
            yield name, "the kind is gone"
            continue
        for change in changes(older, now[file.name]):
            yield f"{name} {change.path}", f"{change.kind}: {change.said}"
    children = yaml.safe_load(last.CHILDREN.read_text())
    if children.pop("vllmImage") != VLLM_IMAGE:
        yield "pods of VLLM", "another default image: all that name none are restarted"
    for name, template in children.items():
        if name not in SPECS:
            yield f"pods of {name}", "the example is gone"
        elif last.template_of(rendered(name)) != template:
            yield f"pods of {name}", "another pod template: they are restarted by the upgrade"


def test_nothing_of_the_last_release_is_broken_but_what_is_meant_to_be() -> None:
    """Each with a reason; what is listed and not broken is refused as well."""
    listed = yaml.safe_load(last.BREAKS.read_text())
    assert all(len(one["reason"].split()) > 3 for one in listed), "a reason is a sentence"
    assert sorted(_found()) == sorted((one["where"], one["change"]) for one in listed)


def test_the_folder_is_what_was_released() -> None:
    """Nobody made a break pass by editing what it is compared with."""
    try:
        wanted = last.contents(last.known(last.commit()))
    except last.NoRelease as error:
        pytest.skip(f"not run: {error}")
    there = {
        str(file.relative_to(last.FOLDER)): file.read_text()
        for file in last.FOLDER.rglob("*")
        if file.is_file() and file.name not in ("README.md", "breaks.yaml")
    }
    assert there == wanted


def _schema(crd: Json) -> Json:
    found: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def _spec(crd: Json) -> Json:
    found: Json = _schema(crd)["properties"]["spec"]
    return found


def _deployment(crd: Json) -> Json:
    found: Json = _spec(crd)["properties"]["deployment"]
    return found


def _version(crd: Json) -> Json:
    found: Json = crd["spec"]["versions"][0]
    return found


def _a_column(crd: Json) -> None:
    del _version(crd)["additionalPrinterColumns"][0]


def _a_path(crd: Json) -> None:
    _version(crd)["additionalPrinterColumns"][0]["jsonPath"] = ".spec.family"


def _scale(crd: Json) -> None:
    del _version(crd)["subresources"]["scale"]


def _a_field(crd: Json) -> None:
    del _spec(crd)["properties"]["family"]


def _a_status(crd: Json) -> None:
    del _schema(crd)["properties"]["status"]["properties"]["queueDepth"]


def _a_type(crd: Json) -> None:
    _spec(crd)["properties"]["replicas"]["type"] = "string"


def _a_list(crd: Json) -> None:
    _spec(crd)["properties"]["capabilities"]["x-kubernetes-list-type"] = "atomic"


def _keys_of_a_list(crd: Json) -> None:
    _deployment(crd)["properties"]["env"]["x-kubernetes-list-map-keys"] = ["name", "value"]


def _required(crd: Json) -> None:
    _spec(crd)["required"] = [*_spec(crd)["required"], "contextWindow"]


def _enum(crd: Json) -> None:
    _deployment(crd)["properties"]["engine"]["enum"].remove("Ollama")


def _a_new_enum(crd: Json) -> None:
    _spec(crd)["properties"]["model"]["enum"] = ["gpt"]


def _a_bound(crd: Json) -> None:
    _spec(crd)["properties"]["contextWindow"]["minimum"] = 10**6


def _a_first_bound(crd: Json) -> None:
    _deployment(crd)["properties"]["args"]["maxItems"] = 1


def _a_pattern(crd: Json) -> None:
    _spec(crd)["properties"]["model"]["pattern"] = "^x$"


def _in_a_list(crd: Json) -> None:
    _deployment(crd)["properties"]["env"]["items"]["properties"]["name"]["maxLength"] = 1


def _in_a_map(crd: Json) -> None:
    limits = _deployment(crd)["properties"]["resources"]["properties"]["limits"]
    limits["additionalProperties"]["pattern"] = "^1$"


def _no_map(crd: Json) -> None:
    del _deployment(crd)["properties"]["resources"]["properties"]["limits"]["additionalProperties"]


def _one_of(crd: Json) -> None:
    _spec(crd)["properties"]["model"]["not"] = {"pattern": "^x$"}


def _no_text(crd: Json) -> None:
    limits = _deployment(crd)["properties"]["resources"]["properties"]["limits"]
    limits["additionalProperties"]["anyOf"] = [{"type": "integer"}]


def _stored(crd: Json) -> None:
    """Served as it was; what is written is stored in a version that lacks a field."""
    newer = {**deepcopy(_version(crd)), "name": "v1beta1"}
    del newer["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["family"]
    _version(crd)["storage"] = False
    crd["spec"]["versions"].append(newer)


def _a_rule(crd: Json) -> None:
    rules = _spec(crd).setdefault("x-kubernetes-validations", [])
    rules.append({"rule": "self.model != 'x'", "message": "no"})


def _a_default(crd: Json) -> None:
    _spec(crd)["properties"]["family"]["default"] = "Qwen"


def _a_short_name(crd: Json) -> None:
    crd["spec"]["names"]["shortNames"] = ["mbs"]


def _no_version(crd: Json) -> None:
    _version(crd)["served"] = False


@pytest.mark.parametrize(
    ("spoil", "kind", "path"),
    [
        (_a_column, Break.COLUMN_CHANGED, "column Ready"),
        (_a_path, Break.COLUMN_CHANGED, "column Ready"),
        (_scale, Break.SUBRESOURCE_CHANGED, "subresources.scale"),
        (_a_field, Break.FIELD_REMOVED, "spec.family"),
        (_a_status, Break.FIELD_REMOVED, "status.queueDepth"),
        (_a_type, Break.TYPE_CHANGED, "spec.replicas"),
        (_a_list, Break.TYPE_CHANGED, "spec.capabilities"),
        (_keys_of_a_list, Break.TYPE_CHANGED, "spec.deployment.env"),
        (_required, Break.REQUIRED_ADDED, "spec.contextWindow"),
        (_enum, Break.ENUM_VALUE_REMOVED, "spec.deployment.engine"),
        (_a_new_enum, Break.ENUM_VALUE_REMOVED, "spec.model"),
        (_a_bound, Break.BOUND_TIGHTENED, "spec.contextWindow"),
        (_a_first_bound, Break.BOUND_TIGHTENED, "spec.deployment.args"),
        (_a_pattern, Break.BOUND_TIGHTENED, "spec.model"),
        (_in_a_list, Break.BOUND_TIGHTENED, "spec.deployment.env[].name"),
        (_in_a_map, Break.BOUND_TIGHTENED, "spec.deployment.resources.limits{}"),
        (_no_map, Break.FIELD_REMOVED, "spec.deployment.resources.limits{}"),
        (_one_of, Break.BOUND_TIGHTENED, "spec.model"),
        (_no_text, Break.BOUND_TIGHTENED, "spec.deployment.resources.limits{}"),
        (_stored, Break.FIELD_REMOVED, "spec.family"),
        (_a_rule, Break.RULE_ADDED, "spec"),
        (_a_default, Break.DEFAULT_CHANGED, "spec.family"),
        (_a_short_name, Break.NAME_CHANGED, "names.shortNames"),
        (_no_version, Break.VERSION_REMOVED, "v1alpha1"),
    ],
)
def test_every_way_to_break_a_user_is_seen(spoil: Any, kind: Break, path: str) -> None:
    """In a kind as it is, at its path, and nothing else is said."""
    newer = deepcopy(BACKEND)
    spoil(newer)
    assert [(one.kind, one.path) for one in changes(BACKEND, newer)] == [(kind, path)]


def test_a_free_map_and_a_status_are_the_users_too() -> None:
    """No kind is without a status today, or holds values of any form; the next one may."""
    older = deepcopy(BACKEND)
    limits = _deployment(older)["properties"]["resources"]["properties"]["limits"]
    limits["additionalProperties"] = True
    path = "spec.deployment.resources.limits{}"
    assert [(one.kind, one.path) for one in changes(older, BACKEND)] == [
        (Break.FIELD_REMOVED, path)
    ]
    assert changes(BACKEND, older) == ()

    older = deepcopy(BACKEND)
    del _version(older)["subresources"]
    assert [one.path for one in changes(older, BACKEND)] == ["subresources.status"]


def test_what_is_added_or_wider_breaks_nobody() -> None:
    """The other way around nearly everything above is fine; so are strict new parts."""
    newer = deepcopy(BACKEND)
    _spec(newer)["properties"]["new"] = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string", "enum": ["x"], "default": "x"}},
        "x-kubernetes-validations": [{"rule": "has(self.a)"}],
    }
    _deployment(newer)["properties"]["engine"]["enum"].append("Another")
    _spec(newer)["properties"]["contextWindow"].pop("minimum")
    _version(newer)["additionalPrinterColumns"].append({"name": "X", "type": "string"})
    newer["spec"]["versions"].append({**_version(newer), "name": "v1beta1", "storage": False})

    assert changes(BACKEND, newer) == ()
    assert changes(BACKEND, BACKEND) == ()


def test_an_older_kind_is_told_by_the_fields_that_it_lacks() -> None:
    """The topmost of each; what is more in it is nobody's business."""
    older = deepcopy(BACKEND)
    _a_field(older)
    _a_status(older)
    del _deployment(older)["properties"]["env"]["items"]["properties"]["value"]
    _spec(older)["properties"]["extra"] = {"type": "string"}

    said = ("spec.deployment.env[].value", "spec.family", "status.queueDepth")
    assert lacking(_schema(BACKEND), _schema(older)) == said
    assert lacking(_schema(BACKEND), {"x-kubernetes-preserve-unknown-fields": True}) == ()


def test_what_an_older_kind_does_not_know_is_left_out() -> None:
    """As the API server would prune it, in lists and maps as well."""
    schema = {
        "properties": {
            "a": {"type": "string"},
            "l": {"items": {"properties": {"b": {}}}},
            "m": {"additionalProperties": {"properties": {"b": {}}}},
            "any": {"x-kubernetes-preserve-unknown-fields": True},
        }
    }
    inner = {"b": 1, "new": 2}
    value = {"a": "x", "l": [inner], "m": {"k": inner}, "any": inner, "new": inner}

    assert kept(value, schema) == {"a": "x", "l": [{"b": 1}], "m": {"k": {"b": 1}}, "any": inner}
