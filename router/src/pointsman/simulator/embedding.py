"""Embedding vectors that need no model. Pure.

Guarantees unit vectors, equal for equal model and text on every machine; texts that share words are
nearer to each other than texts that share none (hashed bag of words). Reads 1,024 words at most.
"""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Sequence
from math import sqrt
from sys import byteorder
from zlib import crc32

DEFAULT_DIMENSIONS = 64
_MAX_WORDS = 1024


def embed(model: str, text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """The unit vector of a text, `dimensions` long."""
    vector = [0.0] * dimensions
    salt = crc32(model.encode())
    for word in text.lower().split(maxsplit=_MAX_WORDS)[:_MAX_WORDS]:
        hashed = crc32(word.encode("utf-8", "surrogatepass"), salt)
        vector[(hashed >> 1) % dimensions] += 1.0 if hashed & 1 else -1.0
    length = sqrt(sum(value * value for value in vector))
    if length == 0:
        vector[salt % dimensions] = length = 1.0
    return [value / length for value in vector]


def as_base64(vector: Sequence[float]) -> str:
    """OpenAI's base64 form: little-endian 32-bit floats."""
    floats = array("f", vector)
    if byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
