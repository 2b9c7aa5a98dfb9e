"""How long what a status says may be: what `metav1.Condition` and Kubernetes names allow."""

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(max_length=253)]
Message = Annotated[str, Field(max_length=32768)]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})]
Percent = Annotated[int, Field(ge=0, le=100, json_schema_extra={"format": "int32"})]
Number = Annotated[str, Field(max_length=64)]
"""As text: a status has no floats."""
