"""PURE: the names of models as Anthropic's Models API lists them."""

_UNKNOWN = "1970-01-01T00:00:00Z"
"""What theirs says of a model without a known date."""


def card(name: str) -> dict[str, object]:
    """Of one."""
    return {"type": "model", "id": name, "display_name": name, "created_at": _UNKNOWN}


def listing(names: list[str]) -> dict[str, object]:
    """All of them on one page."""
    return {
        "data": [card(name) for name in names],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
