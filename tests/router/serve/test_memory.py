"""What all clients together may make the router hold."""

from contextlib import AsyncExitStack
from dataclasses import replace

from tests.router.serve.world import LIMITS, Client, World, chat, post, until, world

MIB = 1024 * 1024
TIGHT = replace(LIMITS, held_bodies_bytes=3 * MIB)


def head(size: int) -> bytes:
    """A request whose body of `size` bytes is still to come."""
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {size}\r\n\r\n"
    ).encode()


async def begin(stack: AsyncExitStack, there: World, size: int, sent: int) -> Client:
    """A client that has sent a part of its body."""
    client = await stack.enter_async_context(there.client())
    await client.send(head(size) + b" " * sent)
    return client


async def test_large_bodies_beyond_the_bound_are_refused_and_others_go_on() -> None:
    """The fourth MiB gets a 503 that says when to come back; small requests are answered."""
    async with world(TIGHT) as there, AsyncExitStack() as stack:
        await there.simulator("small")
        there.route("small")
        for _ in range(3):
            await begin(stack, there, 4 * MIB, MIB - 1)
        await until(lambda: there.plane.held_bodies_bytes == 3 * (MIB - 1))
        late = await begin(stack, there, 4 * MIB, MIB)
        reply = await late.reply()

        assert (reply.status, reply.error["code"]) == (503, "overloaded")
        assert "retry-after" in reply.headers
        assert (await there.ask()).status == 200


async def test_what_is_held_is_given_back_however_it_ends() -> None:
    """An answered request, a refused one, and one whose client left."""
    async with world(TIGHT) as there:
        await there.simulator("small")
        there.route("small")
        large = post({**chat(), "metadata": {"k": "x" * MIB}})
        async with there.client() as client:
            await client.send(large)
            assert (await client.reply()).status in {200, 400}
            await until(lambda: there.plane.held_bodies_bytes == 0)
        async with AsyncExitStack() as stack:
            await begin(stack, there, 4 * MIB, MIB)
            await until(lambda: there.plane.held_bodies_bytes >= MIB)
        await until(lambda: there.plane.held_bodies_bytes == 0)


async def test_who_asks_once_at_a_full_router_hears_nothing_before_its_answer() -> None:
    """Node's fetch takes a `100 Continue` that it did not ask for as a broken connection."""
    async with world(replace(LIMITS, held_bodies_bytes=1000)) as there:
        await there.simulator("small", ttft_s=0.4)
        there.route("small")
        large = post(chat(user="x" * LIMITS.large_body_bytes))
        async with there.client() as client:
            await client.send(large)
            assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        async with there.client() as client:  # what it sends besides is not read, as before
            await client.send(large)
            await until(lambda: there.plane.held_bodies_bytes > 1000)
            await client.send(large)
            await until(lambda: not all(one._reading for one in there.plane._clients))
            assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
