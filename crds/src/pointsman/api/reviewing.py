"""What routers know of human review: parts of the RoutingTable."""

from typing import Final, Literal

import msgspec

Mode = Literal["Flag", "Escalate", "Hold"]
Stage = Literal["Request", "Answer"]
Priority = Literal["Low", "Normal", "High"]
MODES: Final = ("Flag", "Escalate", "Hold")
"""From the mildest to the strictest."""
PRIORITIES: Final = ("Low", "Normal", "High")


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Frozen; what has its default is not written."""


class Review(Struct, frozen=True):
    """How a person comes in; `stage` says something of Hold alone."""

    mode: Mode
    stage: Stage = "Answer"
    priority: Priority = "Normal"


class LowConfidence(Struct, frozen=True):
    """Of requests of whose task the analysis is less sure than `below`."""

    below: float
    review: Review


class DataClassReview(Struct, frozen=True):
    """Of requests of this class or a stricter one; a value of DataClass."""

    at_least: str
    review: Review


class Webhook(Struct, frozen=True):
    """Who is told; `key` names the file with the key that signs it, at the ledger."""

    url: str
    key: str


class HumanReview(Struct, frozen=True):
    """Of one policy; its rules' own reviews stand with the routes."""

    deadline_s: float = 600.0
    fallback: str = ""
    """The backend that answers when nobody has decided; empty: the caller is told so, also where
    the one that was named may not be used."""
    escalate_to: tuple[str, ...] = ()
    low_confidence: LowConfidence | None = None
    data_class: DataClassReview | None = None
    max_held: int = 200
    retention_s: float = 2_592_000.0
    webhooks: tuple[Webhook, ...] = ()
