"""Bodies that are no request: each is refused with the field's name, none is an error of ours."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from tests.router.serve.world import World, chat, leaks, post, until

BIG = 10**400


@pytest.fixture
async def one(there: World) -> AsyncIterator[World]:
    """One backend, whose window lets the analysis look at every text."""
    await there.simulator("small")
    there.backends["small"] = type(there.backends["small"])(
        name="small",
        model="model-small",
        address=there.backends["small"].address,
        context_window=1000,
    )
    there.route("small")
    yield there
    await until(lambda: leaks(there.plane) == [])
    assert (await there.ask()).status == 200


WRONG: dict[str, list[object]] = {
    "model": [None, 1, True, [], {}, 1.5, ["auto"]],
    "messages": [None, "hi", 1, {}, [1], ["hi"], [None], [[]], [{"role": 1}], [{"role": None}]],
    "stream": ["true", 1, 0, [], {}, 0.5],
    "max_tokens": ["5", -1, 1.5, [], {}, True, -BIG],
    "max_completion_tokens": ["5", -1, 1.5, [], {}, True],
}
ODD: dict[str, list[object]] = {
    "messages": [[], [{}], [{"role": "user"}], [{"role": "user", "content": 5}],
                 [{"role": "user", "content": {"a": 1}}], [{"role": "user", "content": [1, None]}],
                 [{"role": "user", "content": [{"type": "text", "text": 5}]}],
                 [{"role": "wizard", "content": "x"}],
                 [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}],
                 [{"role": "assistant", "tool_calls": 5}]],
    "max_tokens": [0, 1, BIG, None],
    "metadata": [None, 5, "x", [], {"a": 5}, {"a": {"b": 1}}, {"": ""}, {"a": BIG}],
    "tools": [None, 5, "x", {}, [], [None], [{}], [{"type": 5}]],
    "functions": [5, [], {"a": 1}],
    "stream_options": [None, 5, "x", [], {}, {"include_usage": "yes"}],
    "temperature": [BIG, "hot"],
    "user": [5, None, "\U0001f600" * 100],
}  # fmt: skip


async def test_a_field_of_another_type_is_refused_by_name(one: World) -> None:
    """In OpenAI's shape, and nothing reaches a backend."""
    async with one.client() as client:
        for name, values in WRONG.items():
            for value in values:
                await client.send(post({**chat(), name: value}))
                reply = await client.reply()
                assert reply.status == 400, (name, value)
                param = str(reply.error["param"])
                assert param.partition(".")[0].partition("[")[0] == name, (name, value, param)
    assert one.simulators["small"].log.as_json() == []


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_router_does_not_need_is_the_backends_to_judge(
    one: World, stream: bool
) -> None:
    """An odd value where text or counts are looked for is no error of ours, nor a hang."""
    async with one.client() as client:
        for name, values in ODD.items():
            for value in values:
                await client.send(
                    post(
                        {**chat(stream=stream), name: value}, headers={"x-pointsman-debug": "true"}
                    )
                )
                reply = await client.reply()
                assert reply.status in (200, 400), (name, value)
                assert reply.complete, (name, value)


GOOD = json.dumps(chat()).encode()
NO_JSON: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  \r\n",
    "NUL": b"\x00",
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "cut": GOOD[:-1],
    "more behind": GOOD + b"{}",
    "two of them": GOOD + b"\n" + GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": GOOD.replace(b"auto", b"\xe4uto"),
    "overlong UTF-8": GOOD.replace(b"auto", b"\xc0\xaf"),
    "surrogate in UTF-8": GOOD.replace(b"auto", b"\xed\xa0\x80"),
    "lone surrogate": GOOD.replace(b"auto", b"\\ud800"),
    "wrong surrogates": GOOD.replace(b"auto", b"\\udc00\\ud800"),
    "lone surrogate in a text": GOOD.replace(b"Which", b"\\ud800"),
    "NaN": GOOD[:-1] + b',"temperature":NaN}',
    "Infinity": GOOD[:-1] + b',"temperature":-Infinity}',
    "hex number": GOOD[:-1] + b',"seed":0x10}',
    "leading zero": GOOD[:-1] + b',"seed":01}',
    "trailing comma": GOOD[:-1] + b",}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "no quotes": b"{model:auto,messages:[]}",
    "comment": GOOD[:-1] + b"/* */}",
    "control in a string": GOOD.replace(b"Which", b"a\nb"),
    "NUL in a string": GOOD.replace(b"Which", b"a\x00b"),
    "form": b"model=auto&messages=hi",
    "multipart": b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nauto\r\n--x--\r\n',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep in a field": GOOD[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "long number": GOOD[:-1] + b',"max_tokens":' + b"9" * 100_000 + b"}",
    "model twice": GOOD[:-1] + b',"model":"other"}',
    "model twice, escaped": GOOD[:-1] + b',"mo\\u0064el":"other"}',
    "messages twice": GOOD[:-1] + b',"messages":[]}',
    "messages in capitals": GOOD[:-1] + b',"MESSAGES":[]}',
    "stream twice": GOOD[:-1] + b',"stream":true}',
    "metadata twice": GOOD[:-1] + b',"metadata":{"a":"b"},"metadata":{"a":"c"}}',
}


async def test_what_is_no_json_object_of_one_meaning_is_400(one: World) -> None:
    """The connection lives on; nothing reaches a backend."""
    async with one.client() as client:
        for name, body in NO_JSON.items():
            await client.send(post(body))
            reply = await client.reply()
            assert reply.status == 400, name
            assert reply.error["type"] == "invalid_request_error", name
    assert one.simulators["small"].log.as_json() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"]
)
async def test_a_compressed_body_is_415_and_is_never_opened(one: World, coding: str) -> None:
    """Twenty megabytes of gzip can be twenty gigabytes; the limit is for bytes that came."""
    bomb = gzip.compress(b" " * 20_000_000)
    async with one.client() as client:
        await client.send(post(bomb, headers={"content-encoding": coding}))
        reply = await client.reply()
        assert (reply.status, reply.error["type"]) == (415, "invalid_request_error")
        await client.send(post(chat(), headers={"content-encoding": "identity"}))
        assert (await client.reply()).status == 200


async def test_compressed_without_saying_so_is_no_json(one: World) -> None:
    """Nothing is guessed."""
    assert (await one.ask(gzip.compress(GOOD))).status == 400
