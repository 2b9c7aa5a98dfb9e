"""From the pydantic kinds to CustomResourceDefinitions; `python -m pointsman.api.schema`."""

from pointsman.api.schema.crd import definition, render
from pointsman.api.schema.structural import structural

__all__ = ["definition", "render", "structural"]
