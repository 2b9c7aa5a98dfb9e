"""The learned weights as they travel: in a policy's blob, from the operator to the routers.

Guarantees that what `decode` returns is complete and of this version, or InvalidWeights says
what is wrong. Refuses to be read by another version: changed features are not guessed.
"""

import struct
from typing import Final

import msgspec

from pointsman.analysis.predictor.features import COUNTS

VERSION: Final = 1
MOST_CODES: Final = 60_000
"""Of all grams: 20,000 grams for two backends, so that the blob stays below 250 kB gzip."""
RANGE: Final = 32_767
"""Largest code."""


class InvalidWeights(ValueError):
    """These weights cannot be used; the text says why."""


class Weights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Expected quality of each backend as a sum: base + counts + cells + grams / norm.

    The norm is the root of the sum of the squared rarities of the grams that were found.

    All tuples for backends are in the order of `backends`.
    """

    backends: tuple[str, ...]
    base: tuple[float, ...]
    """Quality of a request whose other terms are 0."""
    counts: tuple[tuple[float, ...], ...]
    """For each backend a coefficient for each of features.COUNTS."""
    cells: dict[str, tuple[float, ...]] = {}
    """Name of a cell (features.cells) -> what it adds for each backend."""
    grams: str = ""
    """
    Words and marks, one on a line.

    Pairs of neighbors are joined by a space, pairs with a word between by two.
    """
    codes: bytes = b""
    """int16, little-endian: for each gram its squared rarity and a weight for each backend."""
    scales: tuple[float, ...] = ()
    """What a code of the rarities, and of each backend, is multiplied by."""
    labels: tuple[float, ...] = ()
    """How many labels stand behind each backend, after decay; empty: none, only the prior."""
    support: dict[str, float] = {}
    """Task cell -> labels of that task, after decay, of the backend that has the fewest."""
    familiar: float = 0.0
    """0..1: out of distribution is who has a smaller share of known words and pairs."""
    prior_confidence: float = 0.0
    """0..1: how far the prior alone can be trusted."""
    source: str = "prior"
    """Where the prior comes from, for evidence."""
    fitted_at_s: float = 0.0
    """Unix time; 0: these are priors."""
    version: int = VERSION


def encode(weights: Weights) -> bytes:
    """Return the weights as JSON; `codes` in base64."""
    return msgspec.json.encode(weights)


def decode(raw: bytes) -> Weights:
    """Return the weights of a blob; raises InvalidWeights."""
    try:
        weights = msgspec.json.decode(raw, type=Weights)
    except msgspec.MsgspecError as error:
        raise InvalidWeights(f"not weights: {error}") from None
    check(weights)
    return weights


def check(weights: Weights) -> None:
    """Raise InvalidWeights unless all parts fit together."""
    if weights.version != VERSION:
        raise InvalidWeights(f"version {weights.version}, this router reads {VERSION}")
    backends = len(weights.backends)
    grams = weights.grams.count("\n") + 1 if weights.grams else 0
    sizes = {
        "backends": (backends, len(set(weights.backends))),
        "base": (len(weights.base), backends),
        "counts": (len(weights.counts), backends),
        "codes": (len(weights.codes), 2 * grams * (backends + 1)),
        "scales": (len(weights.scales), backends + 1 if grams else 0),
        "labels": (len(weights.labels), backends if weights.labels else 0),
    }
    for name, (found, expected) in sizes.items():
        if found != expected:
            raise InvalidWeights(f"{name}: {found} instead of {expected}")
    if any(len(row) != len(COUNTS) for row in weights.counts):
        raise InvalidWeights(f"counts: each backend needs {len(COUNTS)}")
    if any(len(row) != backends for row in weights.cells.values()):
        raise InvalidWeights(f"cells: each needs {backends} numbers")
    if grams * (backends + 1) > MOST_CODES:
        raise InvalidWeights(f"{grams} grams for {backends} backends: more than {MOST_CODES}")


def to_bytes(codes: list[int]) -> bytes:
    """Return int16 numbers as little-endian bytes."""
    return struct.pack(f"<{len(codes)}h", *codes)


def from_bytes(raw: bytes) -> tuple[int, ...]:
    """Return the numbers of `to_bytes`."""
    return struct.unpack(f"<{len(raw) // 2}h", raw)
