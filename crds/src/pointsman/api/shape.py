"""Which type stands where in a kind: models, lists and maps by their YAML names.

Pure look-ups over pydantic annotations; nothing is validated here.
"""

import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether an annotation is a pydantic model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """The annotation of each field, by the name that it has in YAML; made once for each model."""
    return {
        field.alias or name: bare(field.annotation) for name, field in model.model_fields.items()
    }


def bare(annotation: Any) -> Any:
    """`X | None` and `Annotated[X, ...]` are X."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        kept = [option for option in get_args(annotation) if option is not type(None)]
        return bare(kept[0]) if len(kept) == 1 else None
    return annotation


def item_of(annotation: Any) -> Any:
    """X of `list[X]`; None for anything else."""
    return bare(get_args(annotation)[0]) if get_origin(annotation) is list else None


def model_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """The model of the object at a location, if one describes it."""
    found: Any = model
    for step in location:
        if isinstance(step, int):
            found = item_of(found)
        else:
            found = fields_of(found).get(step) if is_model(found) else None
    return found if is_model(found) else None


def without_nulls(value: object, annotation: Any) -> object:
    """
    The value without fields and map entries that are null, as the API server prunes them.

    What is unknown or an element of a list stays: it is refused, null or not.
    """
    if isinstance(value, list):
        return [without_nulls(element, item_of(annotation)) for element in value]
    if not isinstance(value, Mapping):
        return value
    if not is_model(annotation):
        return {key: without_nulls(v, None) for key, v in value.items() if v is not None}
    fields = fields_of(annotation)
    return {
        key: without_nulls(v, fields.get(key))
        for key, v in value.items()
        if v is not None or key not in fields
    }
