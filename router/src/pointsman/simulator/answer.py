"""What the simulated model says and whether it counts as right. Pure: no clock, no dice.

Guarantees the same answer for the same model and prompt, on every machine. A prompt is as difficult
for one model as for another, so a model with a higher declared quality is right on a superset.
The quality is DECLARED by a flag; nothing here measures or earns it.
"""

from __future__ import annotations

from hashlib import blake2b
from zlib import crc32

_FILLER = tuple(
    " " + word
    for word in (  # noqa: SIM905 - one sentence reads better than 70 strings
        "these words only fill the answer to its length and carry no meaning at all because this"
        " model is simulated and each of them stands for one token of output a train leaves the"
        " yard when the points are set and the signal shows clear while another one waits on the"
        " siding until its track is free then both go on to where their freight is wanted today"
    ).split()
)
_OPENING_TOKENS = 4


def count_tokens(text: str) -> int:
    """Tokens of a prompt: one for each 4 bytes of UTF-8, rounded up (the usual rule of thumb)."""
    size_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size_bytes // 4)


def difficulty(text: str) -> float:
    """How hard a prompt is, in [0, 1): a stable hash of the last user message, of no model."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def is_correct(text: str, quality: float) -> bool:
    """True if a model of this declared quality answers this prompt rightly."""
    return difficulty(text) < quality


def fails(serial: int, *, seed: int, error_rate: float) -> bool:
    """True if the `serial`-th request of a server is one of those that fail."""
    return error_rate > 0 and difficulty(f"{seed}/{serial}") < error_rate


def answer_pieces(model: str, prompt: str, *, correct: bool, tokens: int) -> tuple[str, ...]:
    """The answer as `tokens` pieces of text, one a token: who speaks, right or wrong, filler."""
    opening = (model, " here.", " Declared", " right." if correct else " wrong.")
    if tokens <= _OPENING_TOKENS:
        return opening[:tokens]
    start = crc32(prompt.encode("utf-8", "surrogatepass"), crc32(model.encode())) % len(_FILLER)
    end = start + tokens - _OPENING_TOKENS
    return opening + (_FILLER * (end // len(_FILLER) + 1))[start:end]
