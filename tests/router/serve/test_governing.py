"""Where a request may go by the class of its data, and by approvals that begin and end."""

import asyncio
import json
from itertools import product
from typing import Any

import pytest

from pointsman.api.callers import digest_of
from pointsman.api.dataclass import CLASSES
from pointsman.api.governed import Approved, Governed
from pointsman.api.table import (
    Activation,
    Backend,
    Fallback,
    HeaderMatch,
    Match,
    PolicyBlob,
    Route,
    ServiceAddress,
    TableError,
    Target,
)
from pointsman.events.schema import Request, decode
from pointsman.router.callers import Caller, callers_of
from pointsman.router.serve.record import Recorder
from pointsman.routing import compile_policy
from tests.router.serve.world import World, chat, post, until
from tests.routing.learned import chooser

END_S = 1_000.0
ALWAYS = Approved(from_s=0.0, until_s=1e12)
ENDS = Approved(from_s=0.0, until_s=END_S)
CLASS = "x-pointsman-data-class"


def default(*names: str, chain: tuple[str, ...] = (), **more: Any) -> Route:
    fallback = Fallback(chain=chain) if chain else None
    return Route(
        name="default", targets=tuple(Target(backend=n) for n in names), fallback=fallback, **more
    )


@pytest.fixture
async def desk(there: World) -> World:
    """`own` takes everything, `cloud` what is Internal, `web` what is Public."""
    for name, most in (("own", "Restricted"), ("cloud", "Internal"), ("web", "")):
        _, port = await there.simulated(name)
        there.place(name, port, max_data_class=most, capabilities=("Tools", "Vision"))
    return there


async def classes_asked(there: World, written: str | None, **more: Any) -> int | str:
    headers = {} if written is None else {CLASS: written}
    reply = await there.ask(chat(**more), **headers)
    return reply.headers["x-pointsman-backend"] if reply.status == 200 else reply.status


async def test_no_stricter_text_goes_to_a_backend_than_it_takes(desk: World) -> None:
    """Whatever the dice say, for each class and each set of targets."""
    takes = {"own": 3, "cloud": 1, "web": 0}
    for names in (("own", "cloud", "web"), ("cloud", "web"), ("web",)):
        desk.put(default(*names), governance=Governed())
        for (rank, written), dice in product(enumerate(CLASSES), (0.0, 0.4, 0.99)):
            desk.plane.dice = lambda dice=dice: dice  # type: ignore[misc]
            got = await classes_asked(desk, written.value)
            able = [name for name in names if takes[name] >= rank]
            assert got in able if able else got == 403


async def test_a_policy_without_governance_obeys_a_class_that_is_said(desk: World) -> None:
    """Who says that a text is Restricted means it, whatever the policy's author thought of."""
    desk.put(default("web"))
    assert await classes_asked(desk, None) == "web"
    assert await classes_asked(desk, "Public") == "web"
    assert await classes_asked(desk, "restricted") == 403


@pytest.mark.parametrize("written", ["Secret", "", "Public, Public", "Públic", "3"])
async def test_what_is_no_class_is_refused(desk: World, written: str) -> None:
    """Not guessed: neither the least nor the most was said."""
    desk.put(default("own"), governance=Governed())
    reply = await desk.ask(chat(), **{CLASS: written.encode().decode("latin-1")})
    assert (reply.status, reply.error["code"]) == (400, "invalid_data_class")
    reply = await desk.ask(chat(metadata={"data_class": written}))
    assert (reply.status, reply.error["param"]) == (400, "metadata.data_class")


async def test_the_strictest_of_several_sources_wins(desk: World) -> None:
    """Key, policy, rule, header, metadata and text: none lowers what another said."""
    rule = Route(
        name="legal",
        targets=(Target(backend="own"), Target(backend="web")),
        match=Match(headers=(HeaderMatch(name="x-desk", value="legal"),)),
        data_class="Confidential",
    )
    found = Governed(detected="Confidential", built_in=("Email",))
    desk.put(rule, default("web", "cloud", "own"), governance=found)
    desk.plane.dice = lambda: 0.0
    mail = [{"role": "user", "content": "Write to ada@example.org, please."}]

    async def asked(**more: Any) -> str:
        headers = more.pop("headers", {})
        return (await desk.ask(chat(**more), **headers)).headers["x-pointsman-backend"]

    assert await asked() == "web"
    assert await asked(headers={CLASS: "Internal"}) == "cloud"
    assert await asked(metadata={"data_class": "Internal"}) == "cloud"
    assert await asked(headers={CLASS: "Restricted"}, metadata={"data_class": "Public"}) == "own"
    assert await asked(metadata={"data_class": "Restricted"}, headers={CLASS: "Public"}) == "own"
    assert await asked(messages=mail) == "own"
    assert await asked(messages=mail, headers={CLASS: "Public"}) == "own"
    call = {"id": "1", "type": "function"}
    call["function"] = {"name": "send", "arguments": '{"to": "ada@example.org"}'}  # type: ignore[assignment]
    calls = [{"role": "user", "content": "Send it."}, {"role": "assistant", "tool_calls": [call]}]
    assert await asked(messages=calls) == "own"
    assert await asked(headers={"x-desk": "legal", CLASS: "Public"}) == "own"
    desk.put(default("web", "cloud"), governance=Governed(data_class="Internal"))
    assert await asked(headers={CLASS: "Public"}) == "cloud"


async def test_a_key_sets_the_least(desk: World) -> None:
    """Its holder can raise the class, and not lower it, also where the policy asks nothing."""
    key = "pmk-" + "k" * 43
    caller = Caller("app", policies=None, digests=frozenset([digest_of(key.encode())]), data_rank=1)
    desk.live.callers = callers_of([caller], complete=True)
    desk.put(default("web", "cloud", "own"))
    desk.plane.dice = lambda: 0.0
    for written, expected in (("Public", "cloud"), ("Restricted", "own")):
        reply = await desk.ask(chat(), authorization=f"Bearer {key}", **{CLASS: written})
        assert reply.headers["x-pointsman-backend"] == expected


async def test_a_text_too_long_to_search_has_the_class_of_what_might_be_found(desk: World) -> None:
    """Not read is not clean."""
    found = Governed(detected="Restricted", built_in=("Email",))
    desk.put(default("web", "own"), governance=found)
    desk.plane.dice = lambda: 0.0
    long = [{"role": "user", "content": "no mail here " * 5_100}]
    reply = await desk.ask(chat(messages=long))
    assert reply.headers["x-pointsman-backend"] == "own"


async def test_a_letter_that_is_escaped_is_found(desk: World) -> None:
    """In the body it is no address, in what the model gets it is one."""
    desk.put(default("web", "own"), governance=Governed(detected="Restricted", built_in=("Email",)))
    desk.plane.dice = lambda: 0.0
    body = json.dumps(chat()).replace("Which", "ada\\u0040example.org").encode()
    assert b"@" not in body
    assert (await desk.ask(body)).headers["x-pointsman-backend"] == "own"


async def test_the_class_is_recorded(desk: World) -> None:
    """As it was in the end; nothing for Public."""
    lines: list[bytes] = []
    desk.plane.record = Recorder(lines.append, desk.plane.wall)
    desk.put(default("own"), governance=Governed())
    await classes_asked(desk, "confidential")
    await classes_asked(desk, None)
    events = [event for event in map(decode, lines) if isinstance(event, Request)]
    assert [event.data_class for event in events] == ["Confidential", ""]


MESSAGE = [{"role": "user", "content": "Write to ada@example.org."}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGE}),
        ("/v1/completions", {"prompt": "Write to ada@example.org."}),
        ("/v1/embeddings", {"input": ["Write to ada@example.org."]}),
        ("/v1/messages", {"messages": MESSAGE, "max_tokens": 8}),
        ("/v1/responses", {"input": "Write to ada@example.org."}),
        ("/v1/responses", {"input": MESSAGE, "instructions": "Be brief."}),
    ],
)
async def test_every_api_is_governed(desk: World, path: str, body: dict[str, Any]) -> None:
    """By what is in its text, and by what the caller says; the least goes anywhere."""
    found = Governed(detected="Confidential", built_in=("Email",))
    clean = json.loads(json.dumps(body).replace("ada@example.org", "nobody"))

    async def status(asked: dict[str, Any], **headers: str) -> int:
        async with desk.client() as client:
            await client.send(post({"model": "auto", **asked}, path=path, headers=headers))
            return (await client.reply()).status

    desk.put(default("web"), governance=found)
    assert await status(body) == 403
    assert await status(clean, **{CLASS: "Internal"}) == 403
    assert await status(clean, **{CLASS: "Nothing"}) == 400
    assert await status(clean) == 200
    desk.put(default("own"), governance=found)
    assert await status(body) == 200


CHATS = ["/v1/chat/completions", "/v1/messages"]


@pytest.mark.slow
@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"data_class": "Restricted"}, 403),
        ({"data_class": "public"}, 200),
        ({"user_id": "u"}, 200),
        (None, 200),
        ({"data_class": "Secret"}, 400),
        ({"data_class": 3}, 400),
        ({"data_class": ["Restricted"]}, 400),
        ({"data_class": {"Restricted": True}}, 400),
        ({"data_class": False}, 400),
        ("Restricted", 400),
        ([["data_class", "Restricted"]], 400),
    ],
)
async def test_a_class_in_the_body_is_obeyed_or_refused(
    desk: World, path: str, metadata: object, status: int
) -> None:
    """Never dropped: neither by another API nor for its type."""
    desk.put(default("web"), governance=Governed())
    body = {"model": "auto", "messages": MESSAGE, "max_tokens": 8, "metadata": metadata}
    async with desk.client() as client:
        await client.send(post(body, path=path))
        reply = await client.reply()
    assert reply.status == status
    if status == 400 and (isinstance(metadata, dict) or path == CHATS[0]):
        assert b"metadata.data_class" in reply.body
        assert b"invalid_data_class" in reply.body


async def who_gets(desk: World, path: str, body: dict[str, Any]) -> str:
    """`web` takes what is clean, `own` what is not."""
    found = Governed(detected="Restricted", built_in=("Email",))
    desk.put(default("web", "own"), governance=found)
    desk.plane.dice = lambda: 0.0
    async with desk.client() as client:
        await client.send(post({"model": "auto", **body}, path=path))
        await client.reply()  # a simulator refuses some
    (asked,) = [name for name in ("web", "own") if desk.seen(name)]
    return asked


def parts(*more: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look."}, *more]}]}


def tool(description: str) -> dict[str, Any]:
    made = {"name": "f", "description": description, "parameters": {"type": "object"}}
    return {**parts(), "tools": [{"type": "function", "function": made}]}


PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 9_000}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"input": [1, 2, 3]}),
        ("embeddings", {"input": [[1, 2], [3]]}),
        ("completions", {"prompt": [1, 2, 3]}),
        ("completions", {"prompt": ["clean", [1]]}),
        ("rerank", {"query": "q", "documents": [{"image": "eA=="}]}),
        ("chat/completions", parts({"type": "file", "file": {"file_data": "eA=="}})),
        ("chat/completions", parts({"type": "input_audio", "input_audio": {"data": "eA=="}})),
        ("chat/completions", parts({"type": "image_url",
                                    "image_url": {"url": "data:application/pdf;base64,eA=="}})),
        ("chat/completions", parts({"type": "whatever"})),
        ("chat/completions", {"messages": [{"role": "user", "content": {"a": "b"}}]}),
        ("chat/completions", tool("Write to ada@example.org.")),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_counts_as_found(
    desk: World, path: str, body: dict[str, Any]
) -> None:
    """Tokens, files and sound are no way around."""
    assert await who_gets(desk, f"/v1/{path}", body) == "own"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"input": ["clean", ""]}),
        ("completions", {"prompt": "clean"}),
        ("rerank", {"query": "q", "documents": ["clean", {"text": "clean"}]}),
        ("chat/completions", parts()),
        ("chat/completions", parts(PIXEL)),
        ("chat/completions", tool("Writes.")),
    ],
)
async def test_what_is_read_and_clean_goes_anywhere(
    desk: World, path: str, body: dict[str, Any]
) -> None:
    """Images are not looked into, however large."""
    assert await who_gets(desk, f"/v1/{path}", body) == "web"


@pytest.mark.parametrize("where", ["tool", "call"])
async def test_an_escape_outside_of_messages_is_read(desk: World, where: str) -> None:
    """In descriptions of tools, and in arguments, which are JSON in a text."""
    body = tool("Write to ada@example.org.")
    if where == "call":
        made = {"name": "f", "arguments": '{"to": "ada@example.org"}'}
        call = {"id": "1", "type": "function", "function": made}
        body = {"messages": [*parts()["messages"], {"role": "assistant", "tool_calls": [call]}]}
    escape = b"\\\\u0040" if where == "call" else b"\\u0040"
    written = json.dumps({"model": "auto", **body}).encode().replace(b"@", escape)
    desk.put(default("web", "own"), governance=Governed(detected="Restricted", built_in=("Email",)))
    desk.plane.dice = lambda: 0.0
    assert (await desk.ask(written)).headers["x-pointsman-backend"] == "own"


async def approvals(there: World, **ends: Approved) -> None:
    """Backends with these approvals."""
    for name, approval in ends.items():
        _, port = await there.simulated(name)
        there.place(name, port, approval=approval)


def count(there: World, name: str) -> int:
    return there.live.finished.get(name, 0) + there.live.in_flight.get(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["weights", "chain", "behind", "predictor", "rule"])
async def test_at_the_second_an_approval_ends_nobody_is_sent_there(there: World, how: str) -> None:
    """By weights, as fallback, with fallbacks, by prediction and by rule; the others answer."""
    now = [END_S - 0.001]
    there.plane.wall = lambda: now[0]
    await approvals(there, short=ENDS, long=ALWAYS)
    there.place("gone")
    predictor = None
    routes = {
        "weights": (default("short", "long"),),
        "chain": (default("gone", chain=("short", "long")),),
        "behind": (default("short", chain=("long",)),),
        "predictor": (default("short", "long"),),
        "rule": (
            Route(name="desk", targets=(Target(backend="short"), Target(backend="long")),
                  match=Match(tasks=("Chat", "Coding", "Reasoning"))),
            default("long"),
        ),
    }[how]  # fmt: skip
    if how == "predictor":
        predictor = chooser({"short": 0.9, "long": 0.2}, min_confidence=0.0)
    there.put(*routes, governance=Governed(), predictor=predictor)
    replies = [await there.ask() for _ in range(20)]
    assert all(reply.status == 200 for reply in replies)
    assert count(there, "short") > 0 or how == "rule"
    before, now[0] = count(there, "short"), END_S
    replies = [await there.ask() for _ in range(40)]
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["x-pointsman-backend"] for reply in replies} == {"long"}
    assert count(there, "short") == before


async def test_an_approval_that_begins_brings_its_backend(there: World) -> None:
    """At its second, without a new table."""
    now = [END_S - 0.001]
    there.plane.wall = lambda: now[0]
    await approvals(there, late=Approved(from_s=END_S, until_s=1e12))
    there.put(default("late"), governance=Governed())
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "no_vetted_backend")
    assert "late (ApprovalNotBegun)" in str(reply.error["message"])
    now[0] = END_S
    assert (await there.ask()).status == 200


async def test_a_rule_without_anybody_left_says_so(there: World) -> None:
    """503 with who was left out and why; never another rule's backend."""
    there.plane.wall = lambda: END_S
    await approvals(there, short=ENDS, long=ALWAYS)
    rule = Route(
        name="legal",
        targets=(Target(backend="short"),),
        match=Match(headers=(HeaderMatch(name="x-desk", value="legal"),)),
        left_out={"never": "NotApproved"},
    )
    there.put(rule, default("long"), governance=Governed())
    reply = await there.ask(chat(), x_desk="legal")
    assert (reply.status, reply.error["code"]) == (503, "no_vetted_backend")
    assert reply.error["type"] == "service_unavailable"
    assert "never (NotApproved), short (ApprovalExpired)" in str(reply.error["message"])
    assert reply.headers["x-pointsman-rule"] == "legal"
    assert count(there, "short") == count(there, "long") == 0


async def test_who_waits_for_a_backend_whose_approval_ends_goes_to_the_next(there: World) -> None:
    """The decision was made before; what is sent is not."""
    now = [0.0]
    there.plane.wall = lambda: now[0]
    _, port = await there.simulated("cold")
    await approvals(there, spare=ALWAYS)
    held = Activation(mode="Hold", timeout_s=30.0, max_held=10)
    there.place("cold", approval=ENDS, activation=held)
    there.put(default("cold", chain=("spare",)), governance=Governed())
    asked = asyncio.create_task(there.ask())
    await until(lambda: there.live.held.get("cold") == 1)
    now[0] = END_S
    there.place("cold", port, approval=ENDS, activation=held)
    reply = await asked
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "spare")
    assert reply.headers["x-pointsman-fallback"] == "cold;reason=ApprovalExpired"
    assert count(there, "cold") == 0


async def test_nobody_waits_on_for_what_is_approved_of_no_longer(there: World) -> None:
    """At its second, though no server came and the hold had much time left."""
    await approvals(there, spare=ALWAYS)
    soon = there.plane.wall() + 0.05
    held = Activation(mode="Hold", timeout_s=30.0, max_held=10)
    ends = Approved(from_s=0.0, until_s=soon)
    there.place("cold", approval=ends, activation=held)
    there.put(default("cold", chain=("spare",)), governance=Governed())
    reply = await there.ask()
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "spare")
    assert there.plane.wall() >= soon
    there.put(default("cold"), governance=Governed())
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "no_vetted_backend")


async def test_an_approval_that_ends_under_load_fails_nobody(there: World) -> None:
    """Streams that run go on to their end; the first request after that second goes elsewhere."""
    now = [END_S - 1]
    there.plane.wall = lambda: now[0]
    await approvals(there, short=ENDS, long=ALWAYS)
    there.put(default("short", "long"), governance=Governed())
    late: list[str] = []

    async def caller(number: int) -> None:
        for turn in range(12):
            if number == 0 and turn == 6:
                now[0] = END_S
            over = now[0] >= END_S
            reply = await there.ask(chat(stream=True))
            assert reply.status == 200
            assert reply.events[-1] == "[DONE]"
            if over:
                late.append(reply.headers["x-pointsman-backend"])

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(caller(number))
    assert late
    assert set(late) == {"long"}
    assert count(there, "short") > 0


@pytest.mark.parametrize(
    "broken",
    [
        {"routes": (default("a", data_class="Secret"),)},
        {"routes": (default("a"),), "governance": Governed(data_class="Secret")},
        {"routes": (default("a"),), "governance": Governed(detected="Public", patterns=("(",))},
        {"routes": (default("a"),), "governance": Governed(detected="Public", built_in=("Iban",))},
    ],
)
def test_a_blob_that_a_router_does_not_understand_is_refused(broken: dict[str, Any]) -> None:
    """Whole, so that the one in force stays: what is not understood protects nobody."""
    place = ServiceAddress(namespace="default", service="a", port=8000)
    blob = PolicyBlob(
        namespace="default", name="desk", revision="r", model_names=("auto",),
        backends={"a": Backend(name="a", model="m", address=place)}, **broken,
    )  # fmt: skip
    with pytest.raises(TableError):
        compile_policy(blob, "d")
