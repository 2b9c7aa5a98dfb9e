"""A route's cost cap on the wire: who is left out, and what attempts before count."""

import asyncio

import pytest
from msgspec.structs import replace

from pointsman.api.table import Fallback, Price
from tests.router.serve.world import World, chat

PRICE = (Price(input_pico=10**6, output_pico=10**6),)
"""A dollar for a million tokens: a request with 1,000 tokens of answer is 0.001 and a little."""


def cap(dollars: float, *chain: str) -> Fallback:
    """Over the target and this chain."""
    return Fallback(chain=chain, max_cost_nano=int(dollars * 10**9))


async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and goes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says that it has an error."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def price(there: World, *names: str) -> None:
    """Give them the price."""
    for name in names:
        there.backends[name] = replace(there.backends[name], prices=PRICE)


@pytest.mark.parametrize(
    ("broken", "dollars", "answered"),
    [
        (breaks, 0.0015, False),
        (breaks, 0.0025, True),
        (refuses, 0.0015, True),
    ],
)
async def test_an_attempt_that_broke_counts_and_one_that_was_refused_does_not(
    there: World, broken: object, dollars: float, answered: bool
) -> None:
    """The second is within the cap alone, and not after the first."""
    await there.scripted("first", broken)  # type: ignore[arg-type]
    await there.simulator("second")
    price(there, "first", "second")
    there.route("first", "second", fallback=cap(dollars, "second"))
    reply = await there.ask(chat(max_tokens=1000))
    if answered:
        assert reply.status == 200
        assert reply.headers["x-pointsman-backend"] == "second"
        return
    assert reply.status == 502
    assert "second: it may cost 0.00" in str(reply.error["message"])
    assert "for attempts before, over maxCost 0.0015" in str(reply.error["message"])
    assert there.seen("second") == []
    assert there.count("attempts_total", backend="second", outcome="MaxCost") == 1


async def test_a_free_backend_answers_when_the_cap_is_reached(there: World) -> None:
    """It comes after one that costs too much."""
    await there.scripted("first", breaks)
    await there.simulator("second")
    await there.simulator("own")
    price(there, "first", "second")
    there.route("first", "second", "own", fallback=cap(0.0015, "second", "own"))
    reply = await there.ask(chat(max_tokens=1000))
    assert reply.headers["x-pointsman-backend"] == "own"
    assert there.seen("second") == []


async def test_a_target_that_is_too_dear_is_passed_over(there: World) -> None:
    """And told so in the header that says who was left."""
    await there.simulator("first")
    await there.simulator("second")
    price(there, "first")
    there.route("first", "second", fallback=cap(0.0005, "second"))
    reply = await there.ask(chat(max_tokens=1000))
    assert reply.headers["x-pointsman-backend"] == "second"
    assert "MaxCost" in str(reply.headers)
    assert (await there.ask(chat(max_tokens=10))).headers["x-pointsman-backend"] == "first"
    assert (await there.ask(chat(max_tokens=10, n=100))).headers["x-pointsman-backend"] == "second"


async def test_when_all_are_too_dear_the_caller_is_told_what_helps(there: World) -> None:
    """400: the same request is refused again."""
    await there.simulator("first")
    price(there, "first")
    there.route("first", fallback=cap(0.0005))
    reply = await there.ask(chat(max_tokens=1000))
    assert reply.status == 400
    assert reply.error["code"] == "max_cost_exceeded"
    assert "over maxCost 0.0005. A smaller max_tokens helps." in str(reply.error["message"])
    assert there.seen("first") == []
