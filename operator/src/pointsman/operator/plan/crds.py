"""PURE: whether the cluster's kinds are as new as this operator, and what to say if they are not.

Read from the API server's OpenAPI documents, which every account may read; the definitions
themselves are for admins. A field that the API server does not know is dropped by it in silence,
and refused where it is applied: so it is left out of what is written, and said aloud.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api import names
from pointsman.api.schema.changes import kept, lacking
from pointsman.api.schema.crd import KINDS, definition

Json = Mapping[str, Any]
REASON: Final = "CrdTooOld"
DOCUMENT: Final = f"apis/{names.API_VERSION}"
"""How the index of OpenAPI documents names that of the group."""
MOST: Final = 4
"""Fields of a kind that are named; the rest is counted."""
NEEDED: Final = (names.MODEL_BACKEND, names.ROUTING_POLICY)
"""Without these there is nothing to do, and what routers have stays as it is."""
_SHAPE: Final = "x-kubernetes-preserve-unknown-fields"


@dataclass(frozen=True, slots=True)
class Found:
    """Kinds that are not served, and the fields that others lack."""

    absent: tuple[str, ...] = ()
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that is not as it should be."""
        return tuple(sorted((*self.absent, *self.lacking)))


def skeleton(schema: Json) -> Json:
    """A schema without its texts and bounds: what fields there are."""
    made: dict[str, Any] = {}
    if schema.get(_SHAPE):
        made[_SHAPE] = True
    if fields := schema.get("properties"):
        made["properties"] = {name: skeleton(inner) for name, inner in fields.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(key), Mapping):
            made[key] = skeleton(inner)
    return made


def own() -> dict[str, Json]:
    """Kind -> what this operator knows of it; `metadata` is the API server's own."""
    made: dict[str, Json] = {}
    for kind in KINDS:
        (version,) = definition(kind)["spec"]["versions"]
        fields = skeleton(version["schema"]["openAPIV3Schema"])["properties"]
        made[kind.name] = {"properties": {part: fields[part] for part in ("spec", "status")}}
    return made


def served(document: Json) -> dict[str, Json]:
    """Kind -> what the API server knows of it, from the group's OpenAPI document."""
    found: dict[str, Json] = {}
    for schema in ((document.get("components") or {}).get("schemas") or {}).values():
        for one in schema.get("x-kubernetes-group-version-kind") or ():
            if (one.get("group"), one.get("version")) == (names.GROUP, names.VERSION):
                found[str(one.get("kind"))] = skeleton(schema)
    return found


def compare(wanted: Mapping[str, Json], there: Mapping[str, Json]) -> Found:
    """What is missing."""
    return Found(
        tuple(kind for kind in wanted if kind not in there),
        {
            kind: fields
            for kind, schema in wanted.items()
            if kind in there and (fields := lacking(schema, there[kind]))
        },
    )


def said(found: Found, *, version: str) -> str:
    """One line with each kind, what it lacks and what to run; empty if all is well."""
    parts = [f"{_name(kind)} is not there" for kind in found.absent]
    for kind, fields in found.lacking.items():
        more = f" and {len(fields) - MOST} more" if len(fields) > MOST else ""
        parts.append(f"{_name(kind)} lacks {', '.join(fields[:MOST])}{more}")
    if not parts:
        return ""
    return (
        f"{REASON}: {'; '.join(parts)}. Upgrade the chart pointsman-crds to {version}: "
        "helm upgrade --install pointsman-crds charts/pointsman-crds. Until then what needs them "
        "does not work, all else does"
    )


def known(value: Json, schema: Json, part: str) -> dict[str, Any]:
    """What the API server would keep of a kind's `part`."""
    made: dict[str, Any] = kept(value, (schema.get("properties") or {}).get(part) or {})
    return made


def _name(kind: str) -> str:
    return f"{names.PLURALS[kind]}.{names.GROUP}"
