"""What single requests are answered: limits, truth, refusals, shapes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.simulator.errors import BadRequest
from pointsman.simulator.job import Generation, Origin, plan
from pointsman.simulator.openai_requests import ChatRequest, CompletionRequest, EmbeddingRequest
from pointsman.simulator.openai_shapes import whole
from pointsman.simulator.settings import Settings
from tests.simulator.running import MODEL, chat, encode, post, read_answer, send, simulated

ORIGIN = Origin("0001", 1_700_000_000, "sim-x")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def planned(body: Any, **changes: Any) -> Generation:
    """The chat job of a body."""
    found = plan(
        "/v1/chat/completions",
        json.dumps(body).encode(),
        Settings(model=MODEL, **changes),
        ORIGIN,
    )
    assert isinstance(found, Generation)
    return found


@given(
    st.sampled_from(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]),
    st.dictionaries(
        st.sampled_from(
            sorted(
                {"simulator", *ChatRequest.__struct_fields__}
                | {*CompletionRequest.__struct_fields__, *EmbeddingRequest.__struct_fields__}
            )
        ),
        JSON,
    )
    | JSON,
)
@pytest.mark.slow
def test_no_json_raises_anything_but_bad_request(path: str, body: Any) -> None:
    """Wrong types are the caller's fault, never ours."""
    with contextlib.suppress(BadRequest):
        plan(path, json.dumps(body).encode(), Settings(model=MODEL), ORIGIN)


@given(st.binary(max_size=60))
@pytest.mark.slow
def test_no_bytes_raise_anything_but_bad_request(body: bytes) -> None:
    """Nor does what is no JSON, no UTF-8, or nested without end."""
    for data in (body, b"[" * 100_000, b'{"model":"\xff"}'):
        with pytest.raises(BadRequest):
            plan("/v1/chat/completions", data, Settings(model=MODEL), ORIGIN)


@given(st.text(max_size=60), st.integers(1, 200))
def test_the_same_request_has_the_same_bytes(prompt: str, tokens: int) -> None:
    """Nothing but the origin differs between two runs."""
    body = chat(prompt, max_tokens=tokens)
    assert whole(planned(body)) == whole(planned(body))


@pytest.mark.parametrize(
    ("changes", "limit", "pieces", "finish"),
    [
        ({"output_tokens": 10}, None, 10, "stop"),
        ({"output_tokens": 10}, 10, 10, "stop"),
        ({"output_tokens": 10}, 9, 9, "length"),
        ({"output_tokens": 10}, 5000, 10, "stop"),
        ({"output_tokens": 10, "context_window": 10}, None, 5, "length"),
    ],
)
def test_an_answer_ends_where_it_should(
    changes: dict[str, int], limit: int | None, pieces: int, finish: str
) -> None:
    """At its own length, at the caller's limit, or where the window ends ("Hello?" has 5)."""
    job = planned(chat() if limit is None else chat(max_tokens=limit), **changes)
    assert (len(job.choices[0].pieces), job.finish, job.prompt_tokens) == (pieces, finish, 5)


def test_the_context_window_counts_prompt_and_answer() -> None:
    """Exactly full is allowed; one token more is not, in OpenAI's words."""
    assert planned(chat(max_tokens=95), context_window=100).finish == "stop"
    with pytest.raises(BadRequest, match="maximum context length is 100 tokens") as refused:
        planned(chat(max_tokens=96), context_window=100)
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(BadRequest):
        planned(chat("x" * 400), context_window=100)


def test_the_task_chooses_the_declared_quality() -> None:
    """The metadata names it; an unknown one is refused."""
    shares = {"Chat": 1.0, "Coding": 0.0}

    def asked(task: str) -> Generation:
        return planned(chat(metadata={"pointsman-simulator-task": task}), quality=shares)

    assert planned(chat(), quality=shares).correct
    assert (asked("Coding").correct, asked("Coding").declared_quality) == (False, 0.0)
    assert (asked("Document").task, asked("Document").declared_quality) == ("Document", 0.8)
    with pytest.raises(BadRequest, match="Unknown task"):
        asked("Cooking")


def test_difficulty_is_of_the_last_user_message() -> None:
    """A system prompt or an earlier turn does not make the question harder."""
    short = {"model": MODEL, "messages": [{"role": "user", "content": "Q"}]}
    long = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "earlier"},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "Q"},
        ],
    }
    for percent in range(0, 101, 5):
        quality = {"Chat": percent / 100}
        assert planned(short, quality=quality).correct == planned(long, quality=quality).correct


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "param"),
    [
        ("POST", "/v1/chat/completions", b"{", 400, None, None),
        ("POST", "/v1/chat/completions", b"", 400, None, None),
        ("POST", "/v1/chat/completions", {"model": "m"}, 400, None, None),
        ("POST", "/v1/chat/completions", {"model": "m", "messages": []}, 400, None, "messages"),
        ("POST", "/v1/chat/completions", {"model": 1, "messages": []}, 400, None, "model"),
        ("POST", "/v1/chat/completions", chat(max_tokens=0), 400, None, "max_tokens"),
        ("POST", "/v1/chat/completions", chat(temperature=3), 400, None, "temperature"),
        ("POST", "/v1/embeddings", {"model": "m", "input": []}, 400, None, "input"),
        ("POST", "/v1/embeddings", {"model": "m", "input": ["a", 1]}, 400, None, "input"),
        ("POST", "/v1/unknown", {}, 404, "unknown_url", None),
        ("GET", "/", None, 404, "unknown_url", None),
        ("GET", "/v1/models/other", None, 404, "model_not_found", None),
        ("GET", "/v1/chat/completions", None, 405, None, None),
        ("POST", "/health", None, 405, None, None),
        ("GET", "/simulator/requests", None, 404, "unknown_url", None),
    ],
)
async def test_refusals_have_openais_shape(  # noqa: PLR0917 - columns of the table above
    method: str, path: str, body: Any, status: int, code: str | None, param: str | None
) -> None:
    """Four fields, always; the connection stays usable."""
    async with simulated(control=False) as simulator:
        answer = await send(simulator.port, method, path, body)
    assert answer.status == status
    error = answer.error()
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


async def test_plain_endpoints() -> None:
    """Health, version, HEAD; a query does not matter."""
    async with simulated() as simulator:
        health = await send(simulator.port, "GET", "/health?probe=1")
        version = await send(simulator.port, "GET", "/version")
        head = await send(simulator.port, "HEAD", "/v1/models")
    assert (health.status, health.body) == (200, b"")
    assert version.json()["engine"] == "pointsman-simulator"
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0


async def test_the_key_guards_v1_only() -> None:
    """Probes and scrapers carry no key."""
    async with simulated(api_key="secret") as simulator:
        assert (await post(simulator.port, chat())).status == 401
        assert (await send(simulator.port, "GET", "/v1/models")).status == 401
        assert (await send(simulator.port, "GET", "/health")).status == 200
        assert (await send(simulator.port, "GET", "/metrics")).status == 200
        keyed = {"Authorization": "Bearer secret"}
        path = "/v1/chat/completions"
        assert (await send(simulator.port, "POST", path, chat(), keyed)).status == 200


async def test_a_loading_model_is_not_ready() -> None:
    """503 with Retry-After until the load time is over."""
    async with simulated(load_time_s=60) as simulator:
        for answer in (
            await send(simulator.port, "GET", "/health"),
            await send(simulator.port, "GET", "/v1/models"),
            await post(simulator.port, chat()),
        ):
            assert (answer.status, answer.error()["code"]) == (503, "loading")
            assert answer.headers["retry-after"] == "1"
    async with simulated(load_time_s=60, time_scale=1e9) as simulator:
        while (await send(simulator.port, "GET", "/health")).status == 503:
            pass


async def test_several_requests_on_one_connection() -> None:
    """Pipelined, they are answered in order, slow and fast ones alike; then the client hangs up."""
    async with simulated() as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        bodies = [chat(f"prompt {i}", max_tokens=6, stream=i % 3 == 0) for i in range(40)]
        writer.write(b"".join(encode("POST", "/v1/chat/completions", b) for b in bodies))
        for body in bodies:
            buffered = await _one(reader)
            assert planned(body).choices[0].pieces[-1].encode().strip() in buffered
        writer.close()


async def _one(reader: Any) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        return bytes(await reader.readuntil(b"\r\n0\r\n\r\n"))
    size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return bytes(await reader.readexactly(size))


async def test_old_clients_and_expectations() -> None:
    """HTTP/1.0 gets a stream without chunks; `Expect` gets its 100 before the body is sent."""
    body = json.dumps(chat(stream=True, max_tokens=3)).encode()
    head = b"POST /v1/chat/completions HTTP/1.%d\r\nContent-Length: %d\r\n%s\r\n"
    async with simulated() as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(head % (0, len(body), b"") + body)
        old = await reader.read()
        writer.close()
        assert b"transfer-encoding" not in old
        assert old.endswith(b"data: [DONE]\n\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(head % (1, len(body), b"Expect: 100-continue\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_answer(reader)).events()[-1] == "[DONE]"
        writer.close()


async def test_what_is_no_http_gets_an_answer_and_is_closed() -> None:
    """In OpenAI's shape, too."""
    async with simulated() as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(b"hello\r\n\r\n")
        answer = await read_answer(reader)
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert "not HTTP" in answer.error()["message"]
        assert await reader.read() == b""
        writer.close()


async def test_a_request_id_comes_back() -> None:
    """The caller's where it is one, a new one elsewhere; on streams, errors and lists, too."""
    async with simulated(output_tokens=3) as simulator:
        seen = set()
        for method, path, body in (
            ("POST", "/v1/chat/completions", chat()),
            ("POST", "/v1/chat/completions", chat(stream=True)),
            ("POST", "/v1/embeddings", {"model": "m", "input": []}),
            ("GET", "/v1/models", None),
        ):
            for given in ("req-1", "x" * 129, "two words", None):
                headers = {} if given is None else {"X-Request-ID": given}
                answer = await send(simulator.port, method, path, body, headers)
                got = answer.headers["x-request-id"]
                assert (got == given) is (given == "req-1")
                seen.add(got)
    assert len(seen) == 1 + 4 * 3


@pytest.mark.parametrize("stream", [False, True])
async def test_every_token_of_every_answer_is_counted(stream: bool) -> None:
    """In vLLM's counter, whichever way it was asked for."""
    async with simulated(output_tokens=7) as simulator:
        await post(simulator.port, chat(n=3, stream=stream))
        await post(simulator.port, {"model": "m", "prompt": ["a", "b"]}, "/v1/completions")
        assert simulator.server.metrics.generation_tokens == 7 * (3 + 2)
        assert simulator.server.tokens_held == 0


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {f"{name}_{i}": {"type": "string"} for i in range(9)}}}}
    for name in ("left", "right")
]  # fmt: skip


@pytest.mark.parametrize("room", [1, 5, 200])
def test_a_call_has_no_more_room_than_an_answer(room: int) -> None:
    """It is cut like any; what no room is left for is not begun."""
    asked: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": True}
    (choice,) = planned(chat(max_tokens=room, **asked)).choices
    (whole_choice,) = planned(chat(**asked)).choices
    needed = len(whole_choice.pieces)

    assert choice.pieces == whole_choice.pieces[:room]
    assert choice.finish == ("length" if room < needed else "tool_calls")
    assert tuple(p for call in choice.calls for p in call.pieces) == choice.pieces
    assert all(call.pieces for call in choice.calls)


async def test_a_cut_call_streams() -> None:
    """With its name, and the reason of its end."""
    body = chat(max_tokens=1, tools=TOOLS, tool_choice="required")
    async with simulated() as simulator:
        answer = (await post(simulator.port, body)).json()
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        events = (await post(simulator.port, asked)).events()

    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == (
        "length", 1,
    )  # fmt: skip
    assert events[-3]["choices"][0]["finish_reason"] == "length"
    assert events[-2]["usage"]["completion_tokens"] == 1


ENDS = st.text(alphabet="abdehilnrst. ", min_size=1, max_size=6)


@given(st.text(max_size=5), st.one_of(ENDS, st.lists(ENDS, max_size=4)), st.integers(1, 60))
def test_an_answer_ends_before_a_stop_sequence(
    prompt: str, stop: str | list[str], room: int
) -> None:
    """At the first of them, also where pieces cut it; no part of it is left, and nothing else is
    taken."""
    (plain,) = planned(chat(prompt, max_tokens=room)).choices
    (choice,) = planned(chat(prompt, max_tokens=room, stop=stop)).choices
    text = "".join(plain.pieces)
    found = [text.find(one) for one in ([stop] if isinstance(stop, str) else stop)]
    ends = [at for at in found if at >= 0]

    assert "".join(choice.pieces) == (text[: min(ends)] if ends else text)
    assert choice.finish == ("stop" if ends else plain.finish)
    assert all(choice.pieces)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    ("stop", "left"),
    [("ght here", "qwen-li"), (["nobody says this", " here. Decl"], "qwen-light"), (MODEL, "")],
)
async def test_a_stop_sequence_is_in_no_event(path: str, stop: str | list[str], left: str) -> None:
    """The same text whole and streamed, down to none."""
    body = chat() if "chat" in path else {"model": MODEL, "prompt": "Hello?"}
    body |= {"stop": stop, "logprobs": True if "chat" in path else 1}
    async with simulated() as simulator:
        (whole_choice,) = (await post(simulator.port, body, path)).json()["choices"]
        streamed = await post(simulator.port, {**body, "stream": True}, path)
        parts = [event["choices"][0] for event in streamed.events()[:-1]]

    if "chat" in path:
        text = whole_choice["message"]["content"]
        pieces = [part["delta"].get("content", "") for part in parts]
    else:
        text = whole_choice["text"]
        pieces = [part["text"] for part in parts]
    assert text == "".join(pieces) == left
    assert whole_choice["finish_reason"] == parts[-1]["finish_reason"] == "stop"


async def test_what_is_no_stop_sequence_is_refused() -> None:
    """An empty one would be everywhere."""
    async with simulated() as simulator:
        for stop in ("", [""], ["x"] * 17, 3):
            answer = await post(simulator.port, chat(stop=stop))
            assert (answer.status, answer.error()["param"].split("[")[0]) == (400, "stop")


@pytest.mark.parametrize("path", ["/v1/unknown", "/v1/chat/completions", "/simulator/faults"])
async def test_a_refused_head_has_no_body(path: str) -> None:
    """The next answer of the connection is the next request's."""
    async with simulated() as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(encode("HEAD", path) + encode("GET", "/version"))
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            following = await reader.readline()
        writer.close()

    assert head.split(b" ")[1] in {b"404", b"405"}
    assert following == b"HTTP/1.1 200 OK\r\n"
