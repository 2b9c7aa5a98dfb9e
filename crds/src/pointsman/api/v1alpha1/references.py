"""How objects name each other."""

from pydantic import Field

from pointsman.api.validation import ApiModel, ObjectName


class BackendRef(ApiModel):
    """A ModelBackend in the same namespace."""

    name: ObjectName = Field(description="Name of the ModelBackend.")
