"""Inputs by number: the same seed and number give the same bytes and cuts, on any machine."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"\x00", b"\x0b", b"\x0c",
    b"\x7f", b"\x80", b"\xff", b"0", b"5", b"+", b"-", b"0x", b"chunked", b"identity", b"gzip",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n",
    b"Upgrade: h2c\r\n", b"Host: b\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"HTTP/1.1",
    b"HTTP/2.0", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"X: y\r\n",
    b"close", b"keep-alive", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"204",
    b"304", b'"', b"{}", b"[]", b"null", b'"x":', b"data: ", b"data: [DONE]\n\n",
    b"\\ud800", b"[" * 200,
)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """Bytes, and where a network cuts them."""

    data: bytes
    cuts: tuple[int, ...]


def one_input(seeds: Sequence[bytes], seed: int, number: int) -> Input:
    """A seed of the corpus, changed a little."""
    dice = random.Random(f"{seed}/{number}")
    data = dice.choice(seeds)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        data = _change(data, seeds, dice)
    data = data[:20_000]
    return Input(data, tuple(dice.randrange(len(data) + 1) for _ in range(dice.randrange(12))))


def _change(data: bytes, seeds: Sequence[bytes], dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.choice((1, 1, 2, 4, 8, 30)))
    kind = dice.randrange(8)
    if kind == 0:
        return _lines_changed(data, dice)
    if kind == 1:
        return data[:at] + dice.choice(seeds)[dice.randrange(40) :]
    if kind == 2:
        return data + dice.choice(seeds)
    token = dice.choice(_TOKENS)
    put = (bytes([dice.randrange(256)]), b"", data[at:end] * 2, token, token)[kind - 3]
    return data[:at] + put + data[at if kind == 7 else end :]


def _lines_changed(data: bytes, dice: random.Random) -> bytes:
    """Lines doubled, moved, dropped, ended otherwise, or with a token at their start."""
    lines = data.split(b"\r\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    kind = dice.randrange(5)
    if kind == 0:
        lines.insert(other, lines[one])
    elif kind == 1:
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == 2:
        del lines[one]
    elif kind == 3:
        ending = dice.choice((b"\n", b"\r", b"\r\r", b"\n\n", b" ", b"\t", b"\x00"))
        lines[one : one + 2] = [ending.join(lines[one : one + 2])]
    else:
        lines[one] = dice.choice(_TOKENS) + lines[one]
    return b"\r\n".join(lines)


def seeds_of(*corpora: Mapping[str, bytes]) -> list[bytes]:
    """All seeds, in the order they are written down."""
    return [data for corpus in corpora for data in corpus.values()]
