"""What has to be said, in which order, and how long each may take. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MODEL: Final = "story"
CODER: Final = "story-coder"
GENERALIST: Final = "story-generalist"
BARGAIN: Final = "story-bargain"


@dataclass(frozen=True, slots=True)
class Stage:
    """Over once a line was said that has every text; later stages look at later lines only."""

    name: str
    texts: tuple[str, ...]
    deadline_s: float = 120.0


BASELINE: Final = (
    Stage(f"baseline of {CODER}", (f"backend {CODER} drift: Steady",)),
    Stage(f"baseline of {GENERALIST}", (f"backend {GENERALIST} drift: Steady",)),
)
"""In whatever order."""
_CANARY: Final = tuple(
    Stage(
        f"canary {percent} %", (f"policy {MODEL} rollout: ", f"step {step} of 3: {percent} % go to")
    )
    for step, percent in ((1, 5), (2, 25), (3, 50))
)
LEARNED: Final = (
    Stage("detection", (f"backend {CODER} drift: Worse",)),
    Stage("re-evaluation", (f"policy {MODEL}: Reevaluated",)),
    Stage("candidate", (f"policy {MODEL}: RolloutBegun",)),
    Stage("shadow", (f"policy {MODEL} rollout: ", "unseen")),
    *_CANARY,
    Stage("promotion to 100 %", (f"policy {MODEL}: RolloutPromoted",)),
)
"""After the model was made worse."""
EDITED: Final = (
    Stage("bad candidate", (f"policy {MODEL}: RolloutBegun",)),
    Stage("its shadow", (f"policy {MODEL} rollout: ", "unseen")),
    Stage("its canary", _CANARY[0].texts),
    Stage("rollback", (f"policy {MODEL}: RolloutAborted",)),
)
"""After the policy was edited."""


def found(lines: Sequence[str], stage: Stage, since: int) -> int | None:
    """The first line from `since` on that ends the stage."""
    for number in range(since, len(lines)):
        if all(text in lines[number] for text in stage.texts):
            return number
    return None
