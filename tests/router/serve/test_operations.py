"""Completions and embeddings go the way of chat: same policies, same commit rule, same accounts."""

import asyncio
import json

import pytest

from pointsman.api.table import Match, Route, Target
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, answers, chunked
from tests.router.serve.world import Client, Reply, World, chat, post

COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
COMPLETION: dict[str, object] = {"model": "auto", "prompt": "Which train leaves first?"}
EMBEDDING: dict[str, object] = {"model": "auto", "input": ["Which train?", "That one."]}
RERANK: dict[str, object] = {"model": "auto", "query": "Which train?",
                             "documents": ["A boat.", {"text": "Which train leaves?"}]}  # fmt: skip
BY_PATH = pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat()),
        (COMPLETIONS, COMPLETION),
        (EMBEDDINGS, EMBEDDING),
        ("/v1/rerank", RERANK),
    ],
)


@pytest.fixture
async def two(there: World) -> World:
    """`first` with `second` as its fallback."""
    await there.simulator("first")
    await there.simulator("second")
    there.route("first", "second")
    return there


async def ask(there: World, path: str, body: dict[str, object], **more: object) -> Reply:
    """One request to a path, on its own connection."""
    async with there.client() as client:
        return await send(client, path, {**body, **more})


async def send(client: Client, path: str, body: object) -> Reply:
    """One more request on a connection."""
    await client.send(post(body, path=path))
    return await client.reply()


@BY_PATH
async def test_every_operation_reaches_its_path_with_the_backends_model(
    two: World, path: str, body: dict[str, object]
) -> None:
    """Decision headers, stated usage and one count, whichever it is."""
    reply = await ask(two, path, body)
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "first")
    assert reply.json()["model"] == "model-first"
    (entry,) = two.simulators["first"].log.as_json()
    assert entry["path"] == path
    assert json.loads(str(entry["body"])) == {**body, "model": "model-first"}
    usage = reply.json()["usage"]
    assert isinstance(usage, dict)
    stated = "total_tokens" if path == "/v1/rerank" else "prompt_tokens"
    for direction, field in (("input", stated), ("output", "completion_tokens")):
        labels = {"backend": "first", "direction": direction, "source": "stated"}
        assert two.count("tokens_total", **labels) == usage.get(field, 0)


@BY_PATH
async def test_every_operation_falls_back(two: World, path: str, body: dict[str, object]) -> None:
    """A 500 and a death in mid-answer cost the caller nothing."""
    for mode in (FaultMode.ERROR_500, FaultMode.DIE_MID_STREAM):
        two.simulators["first"].faults.order(Fault(mode))
        reply = await ask(two, path, body)
        assert (reply.status, reply.json()["model"]) == (200, "model-second")


async def test_a_streamed_completion_relays_text(two: World) -> None:
    """Its deltas are `text`; the whole stream is what the backend sent."""
    reply = await ask(two, COMPLETIONS, COMPLETION, stream=True)
    assert reply.events[-1] == "[DONE]"
    texts = [json.loads(event)["choices"][0]["text"] for event in reply.events[:-1]]
    whole = (await ask(two, COMPLETIONS, COMPLETION)).json()["choices"]
    assert isinstance(whole, list)
    assert "".join(texts) == whole[0]["text"]


async def test_a_completion_commits_with_its_first_text(there: World) -> None:
    """An empty text does not commit, a word does; after it an error event ends the stream."""
    empty = b'data: {"choices":[{"index":0,"text":"","finish_reason":null}]}\n\n'
    word = b'data: {"choices":[{"index":0,"text":"word","logprobs":null}]}\n\n'
    await there.scripted("first", answers(SSE_HEAD, *chunked(empty)))
    await there.scripted("dies", answers(SSE_HEAD, *chunked(empty, word)))
    await there.simulator("second")
    there.route("first", "second")
    reply = await ask(there, COMPLETIONS, COMPLETION, stream=True)
    assert json.loads(reply.events[0])["model"] == "model-second"
    there.route("dies", "second")
    reply = await ask(there, COMPLETIONS, COMPLETION, stream=True)
    assert reply.complete
    assert json.loads(reply.events[-1])["error"]["code"] == "upstream_disconnected"
    assert word.decode() in reply.body.decode()


@pytest.mark.parametrize("path", [COMPLETIONS, EMBEDDINGS])
async def test_rules_read_the_prompt_and_the_input(two: World, path: str) -> None:
    """Task and length rules hold for them; token arrays have a length and no task."""
    two.put(
        Route(name="code", match=Match(tasks=("Coding",)), targets=(Target(backend="second"),)),
        Route(name="long", match=Match(min_tokens=1000), targets=(Target(backend="second"),)),
        Route(name="default", targets=(Target(backend="first"),)),
    )
    field = "prompt" if path == COMPLETIONS else "input"
    code = "Why does this raise IndexError?\n```python\nmy_list = [1]\nprint(my_list[10])\n```"
    for text, rule in (
        (code, "code"), (["hi", code], "code"), ("x " * 4000, "long"), ([5] * 1500, "long"),
        ([[1], [5] * 1500], "long"), ([5] * 500, "default"), ("hello there", "default"),
    ):  # fmt: skip
        reply = await ask(two, path, {"model": "auto", field: text})
        assert reply.headers["x-pointsman-rule"] == rule, text


async def test_documents_are_put_in_order_by_the_model_that_rules_choose(two: World) -> None:
    """By the query's task; the answer passes as it is."""
    two.put(
        Route(name="code", match=Match(tasks=("Coding",)), targets=(Target(backend="second"),)),
        Route(name="default", targets=(Target(backend="first"),)),
    )
    reply = await ask(two, "/v1/rerank", RERANK, top_n=1)
    assert reply.headers["x-pointsman-rule"] == "default"
    results = reply.json()["results"]
    assert isinstance(results, list)
    assert [found["index"] for found in results] == [1]
    assert results[0]["document"] == {"text": "Which train leaves?"}
    code = "Why does this raise IndexError?\n```python\nmy_list = [1]\nprint(my_list[10])\n```"
    reply = await ask(two, "/v1/rerank", RERANK, query=code)
    assert reply.headers["x-pointsman-rule"] == "code"


def shows(*urls: str) -> dict[str, object]:
    """A chat about images."""
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return chat(messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}])


async def test_images_count_by_number_and_need_eyes(there: World) -> None:
    """Whatever their bytes; the data goes to the backend as it came."""
    await there.simulator("blind")
    (port,) = (one.port for one in there.live.endpoints["default/blind:8000"])
    data = "data:image/png;base64," + "A" * 400_000
    there.route("blind")
    reply = await there.ask(shows(data))
    assert (reply.status, reply.error["code"]) == (400, "unsupported_capability")
    assert "Vision" in str(reply.error["message"])
    there.place("blind", port, capabilities=("Vision",), context_window=4000)
    there.route("blind")
    tokens = []
    for urls in ((data,), (data, data), ("https://example.com/a.png",)):
        reply = await there.ask(shows(*urls), x_pointsman_debug="true")
        assert reply.status == 200
        tokens.append(int(reply.headers["x-pointsman-tokens"]))
    assert tokens[1] - tokens[0] == 765
    assert tokens[2] == tokens[0] < 800
    sent = str(there.simulators["blind"].log.as_json()[0]["body"])  # its beginning
    assert '"image_url": {"url": "data:image/png;base64,AAAA' in sent
    reply = await there.ask(shows(*[data] * 6))
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")


async def test_an_image_of_30_mb_is_refused_before_it_comes(two: World) -> None:
    """413 that says how much is taken, whether or not the length is told."""
    url = "data:image/png;base64," + "A" * 30_000_000
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    body = json.dumps(shows(url)).encode()
    for framing, start in (
        (f"content-length: {len(body)}\r\n\r\n", b""),
        ("transfer-encoding: chunked\r\n\r\n", b"%x\r\n" % len(body)),
    ):
        async with two.client() as client:
            await client.send((head + framing).encode() + start + body[: 21 * 1024 * 1024])
            reply = await client.reply()
        assert (reply.status, reply.error["type"]) == (413, "invalid_request_error")
        assert "larger than 20,971,520 bytes" in str(reply.error["message"])
    assert two.simulators["first"].log.as_json() == []


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"query": 5}, "query"),
        ({"documents": "x"}, "documents"),
        ({"documents": None}, "documents"),
    ],
)
async def test_a_rerank_that_is_none_is_refused(
    two: World, more: dict[str, object], param: str
) -> None:
    """With the field's name."""
    reply = await ask(two, "/v1/rerank", RERANK, **more)
    assert (reply.status, reply.error["param"]) == (400, param)


async def test_a_window_holds_for_each_text_not_for_their_sum(there: World) -> None:
    """A hundred small inputs fit where one large input does not; the field is named."""
    server = await there.simulator("small", context_window=100)
    assert server.settings.context_window == 100
    there.place("small", there.live.endpoints["default/small:8000"][0].port, context_window=100)
    there.route("small")
    reply = await ask(there, EMBEDDINGS, {"model": "auto", "input": ["a few words here"] * 100})
    assert reply.status == 200
    large = {"documents": ["one", "word " * 200]}
    reply = await ask(there, "/v1/rerank", RERANK, **large)
    assert (reply.status, reply.error["param"]) == (400, "documents")
    for path, field in ((EMBEDDINGS, "input"), (COMPLETIONS, "prompt")):
        reply = await ask(there, path, {"model": "auto", field: ["one", "word " * 200]})
        assert (reply.status, reply.error["param"]) == (400, field)
        assert reply.error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("last", [True, False], ids=["OpenAI", "llama.cpp"])
async def test_usage_of_a_large_answer_is_read_from_its_ends(there: World, last: bool) -> None:
    """Embeddings are often over the bound up to which an answer is held back."""
    data = {"data": [{"embedding": [0.25] * 60_000}]}
    usage = {"usage": {"prompt_tokens": 11, "total_tokens": 11, "details": {"cached": 3}}}
    body = json.dumps(data | usage if last else usage | data).encode()
    head = JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body)
    await there.scripted("large", answers(head, body[:9], body[9:]))
    there.route("large")
    reply = await ask(there, EMBEDDINGS, EMBEDDING)
    assert reply.body == body
    stated = {"backend": "large", "direction": "input", "source": "stated"}
    assert there.count("tokens_total", **stated) == 11


async def test_embeddings_without_usage_are_no_output_tokens(there: World) -> None:
    """Their size says nothing about tokens; only the input is estimated."""
    body = b'{"data": [{"embedding": [0.1, 0.2, 0.3]}]}'
    head = JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body)
    await there.scripted("silent", answers(head, body))
    there.route("silent")
    assert (await ask(there, EMBEDDINGS, EMBEDDING)).status == 200
    for direction, least in (("input", 1), ("output", 0)):
        labels = {"backend": "silent", "direction": direction, "source": "estimated"}
        assert there.count("tokens_total", **labels) >= least
        assert direction == "input" or there.count("tokens_total", **labels) == 0


async def test_what_is_not_stated_of_several_texts_is_of_all_of_them(there: World) -> None:
    """The window is for each, so the analysis looks at the longest; LM Studio states 0 always."""
    body = b'{"data": [], "usage": {"prompt_tokens": 0, "total_tokens": 0}}'
    head = JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body)
    await there.scripted("silent", answers(head, body))
    there.route("silent")
    reply = await ask(there, EMBEDDINGS, {"model": "auto", "input": ["a few words here"] * 100})
    assert reply.status == 200
    labels = {"backend": "silent", "direction": "input", "source": "estimated"}
    assert there.count("tokens_total", **labels) >= 400


async def test_bytes_of_a_stream_pass_untouched(there: World) -> None:
    """Choices in any order, logprobs, unknown members: the router changes none of them."""
    events = (
        b'data: {"choices":[{"index":1,"delta":{"content":"b"},"logprobs":[1e-9]}],"x":  1}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1}]}}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}\n\n',
        DONE,
    )
    await there.scripted("odd", answers(SSE_HEAD, *chunked(*events, last=True)))
    there.route("odd")
    reply = await ask(there, "/v1/chat/completions", chat(stream=True))
    assert reply.body == b"".join(events)
    stated = {"backend": "odd", "direction": "output", "source": "stated"}
    assert there.count("tokens_total", **stated) == 9


async def test_a_refusal_in_another_shape_is_told_in_openais(there: World) -> None:
    """A server without the operation says so in its own words: the SDK finds them."""
    body = b'{"detail":"Not Found"}'
    head = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
    await there.scripted("odd", answers(head % len(body), body))
    there.route("odd")
    reply = await ask(there, EMBEDDINGS, EMBEDDING)
    assert (reply.status, reply.error["message"]) == (404, "Not Found")
    assert reply.headers["content-type"] == "application/json"


GOOD_IDS = ("a", "req_1-Z.~/!", "x" * 128)
BAD_IDS = ("", "x" * 129, "two words", "tab\tbed", "caf\xe9")


async def test_a_request_id_comes_back_on_every_answer(two: World) -> None:
    """The caller's if it is visible ASCII of at most 128 bytes, else one of ours; errors too."""
    requests = [
        ("POST", "/v1/chat/completions", json.dumps(chat()), 200),
        ("POST", "/v1/chat/completions", json.dumps(chat(stream=True)), 200),
        ("POST", "/v1/chat/completions", json.dumps(chat("other")), 404),
        ("POST", EMBEDDINGS, "{", 400),
        ("GET", "/v1/models", "", 200),
        ("HEAD", "/v1/models", "", 200),
        ("GET", "/v1/models/other", "", 404),
        ("GET", "/healthz", "", 200),
        ("GET", "/nothing", "", 404),
        ("PUT", COMPLETIONS, "", 405),
    ]
    async with two.client() as client:
        for method, path, body, status in requests:
            for given in (*GOOD_IDS, *BAD_IDS):
                await client.send(
                    f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-request-id: {given}\r\n"
                    f"content-length: {len(body)}\r\n\r\n{body}".encode("latin-1")
                )
                reply = await client.reply(method.encode())
                got = reply.headers["x-request-id"]
                assert reply.status == status
                assert (got == given) is (given in GOOD_IDS)
                assert got.isascii()
                assert 1 <= len(got) <= 128
    ids = {headers["x-request-id"] for headers in two.seen("first")}
    assert ids >= set(GOOD_IDS)
    assert not ids & set(BAD_IDS)


async def test_what_is_no_request_has_an_id_too(two: World) -> None:
    """A connection that is refused or gives up can be found again."""
    async with two.client() as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        reply = await client.reply()
    assert (reply.status, bool(reply.headers["x-request-id"])) == (400, True)


async def test_a_backends_own_request_id_is_told_apart(there: World) -> None:
    """It has its own header, except where it is the one the router sent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        given = head.partition("x-request-id: ")[2].partition("\r\n")[0]
        said = given if given == "mine" else "theirs"
        body = b'{"choices": []}'
        writer.write(
            JSON_HEAD + f"x-request-id: {said}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()

    await there.scripted("one", serve)
    there.route("one")
    for given, theirs in (("mine", None), ("other", "theirs")):
        reply = await there.ask(x_request_id=given)
        assert reply.headers["x-request-id"] == given
        assert reply.headers.get("x-pointsman-provider-request-id") == theirs
