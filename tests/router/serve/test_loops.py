"""A model that leads back to a router is asked a bounded number of times."""

import asyncio

import pytest

from pointsman.router.wire.received import MOST_HOPS, Head
from tests.router.serve.world import World, chat


async def lead_round(there: World) -> None:
    """A backend that is this router itself, as a Service or an ingress may be."""

    async def around(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        back, forth = await asyncio.open_connection("127.0.0.1", there.port)
        forth.write(head[:-2] + b"connection: close\r\n\r\n" + body)
        writer.write(await back.read())
        forth.close()

    await there.scripted("round", around)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_of_routers_ends(there: World, *, stream: bool) -> None:
    """With a word of its own, and without a second try by any of them."""
    await lead_round(there)
    there.route("round", model_names=("auto", "model-round"))
    reply = await there.ask(chat(stream=stream))

    assert (reply.status, reply.error["code"]) == (400, "loop_detected")
    assert sum(there.metrics.backend("round").attempts.values()) == MOST_HOPS


async def test_routers_one_behind_the_other_answer(there: World) -> None:
    """A cascade is no loop: the last one that is allowed asks its model, and tells how many."""
    await there.simulator("small")
    there.route("small")
    reply = await there.ask(chat(), x_pointsman_hops=str(MOST_HOPS - 1))

    assert reply.status == 200
    (headers,) = there.seen("small")
    assert headers["x-pointsman-hops"] == str(MOST_HOPS)


@pytest.mark.parametrize(
    ("said", "hops"),
    [
        ([], 0),
        ([b"3"], 3),
        ([b"3", b"1"], 3),
        ([b"8"], 8),
        ([b"99"], 8),
        ([b"-1"], 8),
        ([b""], 8),
        ([b"1000"], 8),
        ([b"\xb2"], 8),
    ],
)
def test_what_is_said_of_hops_never_makes_fewer(said: list[bytes], hops: int) -> None:
    """Whoever writes nonsense there is not asked on."""
    headers = [(b"x-pointsman-hops", value) for value in said]
    head = Head(b"POST", b"/v1/chat/completions", headers, keep_alive=True, http11=True)

    assert head.hops == hops
    lines = head.forwarded.count(b"x-pointsman-hops")
    assert lines == (hops < MOST_HOPS)
