"""What every kind is built from: strict pydantic models whose rules also exist as CEL.

A rule is written once, in both languages, side by side: `cel` for the API server, `holds` for
`pointsman check`, local mode and the operator. A property test on a real API server holds the two
to the same verdict. Objects are validated as JSON, so a string never passes for a number.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError

from pointsman.api.conditions import Reason
from pointsman.api.quantity import DURATION_PATTERN, PRICE_PATTERN, parse_duration
from pointsman.api.shape import without_nulls
from pointsman.api.wording import sentence

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=28)]
Price = Annotated[str, Field(pattern=PRICE_PATTERN, max_length=16)]
ObjectName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""A DNS label: what names a Service or a backend."""


class Rule(NamedTuple):
    """One rule over a whole object, in CEL and in Python."""

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""
    """CEL `fieldPath`, relative to the object (`.min`); empty for the object itself."""
    reason: Reason = Reason.INVALID

    def as_schema(self) -> dict[str, str]:
        """One entry of `x-kubernetes-validations`."""
        place = {"fieldPath": self.field} if self.field else {}
        return {
            "rule": self.cel,
            "message": self.message,
            "reason": "FieldValueInvalid",
            **place,
        }


def lasting(name: str, shortest: str, longest: str, words: str = "") -> Rule:
    """
    A Duration that has a default is no shorter and no longer than these.

    `name` is the model's; `words` say it in place of "must be `shortest` to `longest`".
    """
    field, least, most = to_camel(name), parse_duration(shortest), parse_duration(longest)
    return Rule(
        f"!has(self.{field}) || (duration(self.{field}) >= duration('{shortest}') && "
        f"duration(self.{field}) <= duration('{longest}'))",
        f"{field} {words or f'must be {shortest} to {longest}'}",
        lambda item: least <= parse_duration(getattr(item, name)) <= most,
        field=f".{field}",
        reason=Reason.INVALID_RANGE,
    )


def _default_words(value: object) -> str:
    """How a default reads in a description; empty for what goes without saying."""
    if isinstance(value, list):  # objects are told by the field's own description
        return "" if any(isinstance(one, dict) for one in value) else ", ".join(map(str, value))
    return str(value) if isinstance(value, str | int) else ""


class ApiModel(BaseModel):
    """A part of a kind: camelCase outside, frozen inside, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    schema_extra: ClassVar[dict[str, dict[str, object]]] = {}
    """Field name -> extra OpenAPI keys (`x-kubernetes-list-type`, ...)."""
    stored_defaults: ClassVar[frozenset[str]] = frozenset()
    """Fields whose default the API server writes into objects; why so few: crds/DESIGN.md."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """JSON schema that carries the rules, the extra keys, and defaults as words."""
        schema = handler(core_schema)
        whole = handler.resolve_ref_schema(schema)
        for name, field in cls.model_fields.items():
            prop = whole["properties"][field.alias or name]
            prop |= cls.schema_extra.get(name, {})
            if name not in cls.stored_defaults:
                shown = _default_words(prop.pop("default", None))
                if shown and "description" in prop:
                    prop["description"] += f" Default: {shown}."
        if cls.rules:
            whole["x-kubernetes-validations"] = [rule.as_schema() for rule in cls.rules]
        return schema

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [rule for rule in type(self).rules if not rule.holds(self)]
        if broken:
            raise PydanticCustomError(
                "rule",
                "{message}",
                {
                    "message": "; ".join(rule.message for rule in broken),
                    "field": broken[0].field,
                    "reason": str(broken[0].reason),
                },
            )
        return self


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why an object is refused; `path` is as in `spec.rules[0].name`."""

    path: str
    message: str
    reason: Reason = Reason.INVALID

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(Exception):
    """An object broke its schema or its rules; nothing of it may be used."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def path_of(location: tuple[int | str, ...]) -> str:
    """`("spec", "rules", 0, "name")` -> `spec.rules[0].name`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


M = TypeVar("M", bound=ApiModel)


def parse(model: type[M], value: Mapping[str, Any], *, unknown: str = "refuse") -> M:
    """
    Validate a JSON-like mapping; raises Invalid with every problem found.

    Nulls count as absent, as the API server prunes them. `unknown="drop"` forgets fields that this
    version does not know: an object that a newer release stored must not stop an older one.
    """
    try:
        text = json.dumps(without_nulls(value, model), allow_nan=False)
        return model.model_validate_json(text)
    except ValidationError as error:
        details = error.errors()
    except ValueError as error:  # NaN, or nested deeper than JSON may be
        raise Invalid((Problem("", f"not JSON: {error}"),)) from error
    foreign = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    if unknown == "drop" and foreign:
        pruned = json.loads(text)
        for location in foreign:
            holder = pruned
            for step in location[:-1]:
                holder = holder[step]
            holder.pop(location[-1], None)
        return parse(model, pruned)
    raise Invalid(tuple(_problem(detail, model) for detail in details))


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    if detail["type"] != "rule":
        return Problem(path=path_of(detail["loc"]), message=sentence(detail, model))
    context = detail["ctx"]
    path = path_of(detail["loc"]) + str(context["field"])
    return Problem(path.removeprefix("."), detail["msg"], Reason(context["reason"]))
