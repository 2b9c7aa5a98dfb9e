"""A ledger as it looks on a busy day: a fleet with a rollout and a model that drifts, and reviews.

`python -m tests.browser.day` draws the pictures of docs/console/ from it.
"""

import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.browser.chromium import DESKTOP, PHONE, Chromium, Theme
from tests.browser.desk import Desk, desk
from tests.ledger.console.showing import fleet, main, show
from tests.ledger.reviewing.desks import Caller
from tests.ledger.reviews.opened import MINUTE_MS, answer_text, hash_of, opening, request_text

DOCS = Path(__file__).parent.parent.parent / "docs" / "console"
THEMES: tuple[Theme, ...] = ("light", "dark")
_REFUND = (
    "My subscription renewed yesterday although I had cancelled it in October. I have the "
    "confirmation mail. Can you give me the 89 euros back, and will the next month be charged?"
)
_REPLY = (
    "I am sorry about that. Since you cancelled on 14 October, before the renewal, you are owed "
    "the full 89.00 EUR; it is on its way and arrives within 5 working days.\n\nNothing will be "
    "charged next month: the subscription ends today. Your data stays available for 30 days."
)
_MANY = (
    ("contracts", "DataClass:Confidential", "High", "legal-desk", "legal", "large-eu", 4,
     "Summarize clause 14 of the attached supply contract and say what we owe if we end it early."),
    ("support", "Rule:refunds", "High", "app", "blue", "desk-small", 7, _REFUND),
    ("support", "Rule:refunds", "Normal", "app", "blue", "desk-small", 9, "I was charged twice."),
    ("triage", "LowConfidence:0.5", "Normal", "clinic-intake", "care", "desk-large", 12,
     "Since Sunday I have had a headache and see flashes on the left. Can this wait until Monday?"),
    ("hr-letters", "Rule:termination", "Normal", "people-tools", "hr", "large-eu", 25,
     "Draft a letter that ends a fixed-term contract at the end of the quarter."),
    ("support", "Rule:threats", "Low", "app", "blue", "desk-small", 55,
     "If nobody answers by tonight I will post all of this."),
)  # fmt: skip


def fill(there: Desk) -> None:
    """Six that wait, one of them claimed by ben; three that are over."""
    for number, (policy, reason, priority, caller, team, model, minutes, text) in enumerate(_MANY):
        stage = "Request" if policy == "contracts" else "Answer"
        request = request_text(text, temperature=0.2, max_tokens=400)
        there.hold(
            opening(
                number + 1, policy=policy, reason=reason, priority=priority, caller=caller,
                team=team, model=model, backend="" if stage == "Request" else model, stage=stage,
                within_ms=minutes * MINUTE_MS, request=request, rule=reason.partition(":")[2],
                **({} if stage == "Request" else {"answer": answer_text(_REPLY)}),
            )
        )  # fmt: skip
    verdicts = ({"verdict": "approve"}, {"verdict": "edit", "edited": answer_text("By Friday.")},
                {"verdict": "reject", "message": "Not before legal has seen it."})  # fmt: skip
    ben = Caller(int(there.at("ben").rpartition(":")[2]))
    for number, verdict in enumerate(verdicts, 11):
        request = request_text(f"When does order 4{number} arrive?")
        there.hold(opening(number, request=request, policy="orders", reason="Rule:late"))
        path = f"/v1/people/reviews/d-{number}"
        assert ben.post(f"{path}/claim")[0] == 200
        decided = ben.post(f"{path}/decide", {**verdict, "request_hash": hash_of(request)})
        assert decided[0] == 200, decided
    assert ben.post("/v1/people/reviews/d-4/claim")[0] == 200


PATHS = {
    "flow": "flow", "reviews": "reviews", "review": "reviews/d-2", "decided": "reviews/d-12",
    "over": "reviews?state=ended", "rollouts": "rollouts", "rollout": "rollouts/support",
    "cost": "cost", "quality": "quality", "golden": "quality?of=golden", "drift": "drift",
    "decisions": "decisions", "decision": "decisions/0000176f-c0de-4a11-9e5d", "audit": "audit",
}  # fmt: skip
"""Each page that has a look of its own."""


SHOWN = ("flow", "reviews", "review", "rollout", "cost", "quality", "drift", "decision")
"""In docs/."""


def pages(there: Desk, name: str = "otto") -> dict[str, str]:
    """Their URLs for this person, an operator."""
    return {page: f"{there.at(name)}/console/{path}" for page, path in PATHS.items()}


@contextmanager
def busy_desk(folder: Path) -> Iterator[Desk]:
    """All of it."""
    main(folder)
    with desk(folder) as there:
        fill(there)
        yield there


def draw(folder: Path, names: Collection[str] = PATHS.keys()) -> None:
    """PAGE-THEME.png, and -phone; 256 colors are all they have."""
    with (
        tempfile.TemporaryDirectory() as place,
        busy_desk(Path(place)) as there,
        Chromium() as browser,
    ):
        browser.open(pages(there)["review"])
        browser.press("Claim")
        for name in names:
            for theme in THEMES:
                for size, mark in ((DESKTOP, ""), (PHONE, "-phone")):
                    show(Path(place), fleet(time.time_ns() // 1_000_000))  # it would be old
                    browser.look(size, theme)
                    browser.open(pages(there)[name])
                    file = folder / f"{name}-{theme}{mark}.png"
                    browser.shoot(file)
                    with Image.open(file) as picture:
                        small = picture.convert("RGB").quantize(256)
                    small.save(file, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS, sys.argv[2:] or SHOWN)
