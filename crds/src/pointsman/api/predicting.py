"""What a predictor is told in a table, and what it says of a request.

`Choice` is one structure for the decision record, the debug header and `pointsman explain`: none of
them can say something that another does not.
"""

from typing import Final, Literal

import msgspec

Mode = Literal["Observe", "Apply"]
Prefer = Literal["Balanced", "Quality", "Cost"]
Why = Literal["", "Best", "Stays", "Explores"]
Abstained = Literal["", "Bypass", "OutOfDistribution", "LowConfidence", "NoCandidate"]
"""
Why a predictor chooses nobody, so that targets answer.

Bypass: the route says so. OutOfDistribution: the request is unlike all that it learned from.
LowConfidence: it is less sure than the policy asks for. NoCandidate: none can take the request.
"""
NO_WEIGHTS: Final = msgspec.Raw(b"{}")


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Frozen; what has its default is not written."""


class Trait(Struct, frozen=True):
    """What a backend's answers were like, of those that the labels are about."""

    output_tokens: int = 0
    duration_ms: int = 0


class Chooser(Struct, frozen=True):
    """The predictor of one policy; shares are 0 to 1."""

    mode: Mode
    candidates: tuple[str, ...]
    """Of the blob's backends: among whom it chooses where no rule matches."""
    routes: tuple[str, ...]
    """Names of the routes that it chooses for."""
    prefer: Prefer = "Balanced"
    quality_floor: float = 0.0
    max_cost_nano: int = 0
    """0: none."""
    min_confidence: float = 0.0
    switch_margin: float = 0.0
    exploration: float = 0.0
    traits: dict[str, Trait] = {}
    weights: msgspec.Raw = NO_WEIGHTS
    """As pointsman.analysis.predictor encodes them; routers that cannot read them refuse."""


class Rated(Struct, frozen=True):
    """One candidate: its quality, 0 to 1, and its cost as expected of this request."""

    backend: str
    quality: float
    cost_nano: int = 0
    currency: str = ""
    left_out: str = ""
    """Why it is none after all, in words."""


class Choice(Struct, frozen=True):
    """What a predictor says of one request."""

    mode: Mode
    backend: str = ""
    """Whom it chooses; empty if it abstains."""
    why: Why = ""
    """Best; Stays: its conversation is there, and no other is better by more than the margin;
    Explores: another than the best, to learn."""
    abstained: Abstained = ""
    confidence: float = 0.0
    candidates: tuple[Rated, ...] = ()
    """In the order of trying; those that are left out come last."""
    evidence: tuple[str, ...] = ()
    """Short facts, no words of any prompt."""

    def words(self) -> tuple[str, ...]:
        """For people, a line each."""
        told = f"predictor: abstains, {self.abstained}" if self.abstained else ""
        if self.backend:
            verb = "chooses" if self.mode == "Apply" else "would choose"
            told = f"predictor: {verb} {self.backend} ({self.why})"
        lines = [f"{told}, confidence {self.confidence:.2f}", *self.evidence]
        for one in self.candidates:
            cost = f", {one.cost_nano / 1e9:.6f} {one.currency}" if one.cost_nano else ""
            out = f": left out, {one.left_out}" if one.left_out else ""
            lines.append(f"candidate {one.backend}: quality {one.quality:.2f}{cost}{out}")
        return tuple(lines)
