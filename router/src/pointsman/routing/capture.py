"""PURE: which requests' texts are kept, and what of a text.

Guarantees that the same decision id always gets the same answer, and that whatever a pattern finds
is gone before anything else sees the text: every match of every pattern on the text as it was, so
that the order of patterns does not matter.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pointsman.api.redaction import BadPattern, Known, Pattern, compiled, known
from pointsman.api.table import Capture, TableError

REDACTED: Final = b"[redacted]"
_WHOLE: Final = 1 << 32
Mode = Literal["Hash", "Sampled", "Full"]


@dataclass(frozen=True, slots=True)
class CompiledCapture:
    """What one policy keeps of texts."""

    how: Literal["Hash", "Full"]
    share: int
    """Of 2**32."""
    keep_s: int
    patterns: tuple[Pattern, ...]

    def takes(self, decision: bytes) -> bool:
        """Whether the texts of this decision are kept."""
        if self.share == _WHOLE:
            return True
        return int.from_bytes(hashlib.blake2b(decision, digest_size=4).digest()) < self.share

    def redacted(self, text: bytes) -> bytes:
        """UTF-8 without what the patterns find."""
        return redacted(text, self.patterns)


def redacted(text: bytes, patterns: Sequence[Pattern]) -> bytes:
    """What overlaps or touches is replaced by one word."""
    found = sorted(span for pattern in patterns for span in pattern.spans(text))
    if not found:
        return text
    pieces: list[bytes] = []
    at, end = 0, -1
    for begin, stop in found:
        if begin > end:
            pieces += (text[at:begin], REDACTED)
        end = at = max(end, stop)
    return b"".join((*pieces, text[at:]))


def compile_capture(capture: Capture, policy: str) -> CompiledCapture:
    """Raises TableError for a pattern that cannot be used, and for a kind that is not known."""
    try:
        patterns = [one for name in capture.built_in for one in known(Known(name))]
        patterns += [compiled(pattern) for pattern in capture.patterns]
    except BadPattern as error:
        raise TableError(f"policy {policy}: {str(error)!r} is no pattern to redact") from None
    except ValueError:
        raise TableError(
            f"policy {policy}: of {', '.join(capture.built_in)} this router does not know all; "
            f"it knows {', '.join(Known)}"
        ) from None
    percent = capture.percent if capture.mode == "Sampled" else 100
    if capture.mode not in get_args(Mode) or not 0 < percent <= 100 or capture.keep_s <= 0:
        raise TableError(f"policy {policy}: capture is out of range")
    return CompiledCapture(
        how="Hash" if capture.mode == "Hash" else "Full",
        share=_WHOLE * percent // 100,
        keep_s=capture.keep_s,
        patterns=tuple(patterns),
    )
