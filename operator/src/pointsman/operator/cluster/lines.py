"""NDJSON out of a stream of bytes; its silence and its length have bounds."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 8 * 1024 * 1024


class Chunks(Protocol):
    """What is read: an aiohttp stream."""

    async def readany(self) -> bytes:
        """Some bytes; none at the end."""


class StreamBroken(Exception):
    """An admin stream ended; the text says why."""


async def lines_of(content: Chunks, silence_s: float) -> AsyncIterator[bytes]:
    """NDJSON lines, each within `silence_s` of the one before; raises StreamBroken."""
    buffer = bytearray()
    while True:
        try:
            async with asyncio.timeout(silence_s):
                chunk = await content.readany()
        except TimeoutError:
            raise StreamBroken("Silent") from None
        if not chunk:
            raise StreamBroken("Closed")
        buffer += chunk
        *whole, rest = bytes(buffer).split(b"\n")
        for line in whole:
            if line:
                yield line
        if len(rest) > MAX_LINE_BYTES:
            raise StreamBroken("LineTooLong")
        buffer = bytearray(rest)
