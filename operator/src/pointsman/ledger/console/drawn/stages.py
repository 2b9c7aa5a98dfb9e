"""PURE: a rollout's stages on a line, from the stable revision to all traffic."""

from typing import Final

from pointsman.ledger.console.drawn.paper import element, fit, picture, text, title
from pointsman.ledger.console.views.rollouts import Course, Stage

_MARKS: Final = {"done": "✓", "now": "●", "waits": "!", "failed": "✕", "next": ""}
_SAID: Final = {
    "done": "over", "now": "in it now", "waits": "waits for a person", "failed": "ended here",
    "next": "later",
}  # fmt: skip


def stages_picture(course: Course, *, narrow: bool = False) -> str:
    """Side by side on a desk's screen; one below the other on a phone's."""
    if narrow:
        return _down(course)
    width, height = 1120.0, 104.0
    each = width / max(1, len(course.stages))
    parts = []
    for number, stage in enumerate(course.stages):
        x = each * (number + 0.5)
        if number:
            over = stage.state != "next"
            parts.append(
                element("line", x1=x - each + 17, x2=x - 17, y1=24, y2=24,
                        class_="way over" if over else "way")
            )  # fmt: skip
        parts.append(
            element(
                "g",
                title(_told(stage)),
                *_mark(stage, x, 24),
                text(stage.name, x, 62, text_anchor="middle", size=14, class_="label"),
                text(fit(stage.note, each - 8, 12), x, 80, text_anchor="middle", size=12,
                     class_="note"),
                text(_SAID[stage.state], x, 97, text_anchor="middle", size=12,
                     class_=f"note {stage.state}"),
            )
        )  # fmt: skip
    return picture(width, height, _name(course), *parts, class_="chart stages")


def _down(course: Course) -> str:
    each, width = 52.0, 360.0
    parts = []
    for number, stage in enumerate(course.stages):
        y = each * number + 26
        if number:
            over = stage.state != "next"
            parts.append(
                element("line", x1=24, x2=24, y1=y - each + 17, y2=y - 17,
                        class_="way over" if over else "way")
            )  # fmt: skip
        parts.append(
            element(
                "g",
                title(_told(stage)),
                *_mark(stage, 24, y),
                text(f"{stage.name}: {_SAID[stage.state]}", 52, y - 1, size=14, class_="label"),
                text(fit(stage.note, width - 60, 12), 52, y + 16, size=12, class_="note"),
            )
        )
    return picture(
        width, each * max(1, len(course.stages)), _name(course), *parts, class_="chart stages"
    )


def _mark(stage: Stage, x: float, y: float) -> tuple[str, str]:
    return (
        element("circle", cx=x, cy=y, r=14, class_=f"stop {stage.state}"),
        text(
            _MARKS[stage.state],
            x,
            y + 5,
            text_anchor="middle",
            size=14,
            class_=f"sign {stage.state}",
        ),
    )


def _told(stage: Stage) -> str:
    return f"{stage.name}: {_SAID[stage.state]}; {stage.note}"


def _name(course: Course) -> str:
    told = ", ".join(f"{one.name} {_SAID[one.state]}" for one in course.stages)
    return f"Rollout of {course.policy.name}: {told}"
