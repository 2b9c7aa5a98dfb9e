"""What callers, models and providers say is found nowhere, unless a policy keeps it.

Router and ledger are processes, the spool, the state and the store are files; all that they write
or answer is searched for words that were planted wherever words can come in. Two places keep words
on purpose, and are told apart: x-request-id, and what feedback says.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from msgspec.structs import replace

from pointsman.api import table
from pointsman.local.processes import free_port
from tests.ledger.process import LedgerProcess, ledger_process
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    caller_entry,
    callers_object,
    entry,
    external_backend,
    manifest,
    manifest_object,
    secret_object,
    service_backend,
    service_object,
    slice_object,
)
from tests.router.control.process import RouterProcess, router_process
from tests.router.control.test_process import kubeconfig
from tests.support.collector import Collector, collecting
from tests.support.fake_api import FakeApi

pytestmark = pytest.mark.local

PATIENCE_S = 60.0
PLACES = (
    "prompt", "system", "history", "tool-call", "tool", "image", "metadata", "user", "header",
    "cookie", "api-key", "wrong-key", "provider-key", "answer", "delta", "error", "refusal",
    "embedded", "completed", "malformed", "model", "path", "query", "answer-header",
)  # fmt: skip
TEXT_OF = {"prompt", "system", "history", "answer", "delta", "embedded", "completed"}
"""What is text of a request that is answered or was tried: what Full keeps."""


def planted(place: str) -> str:
    """A word that stands in one place only."""
    return f"canary-{hashlib.sha256(place.encode()).hexdigest()[:12]}-{place}"


def spellings(word: str) -> list[bytes]:
    """As text, in base64 at each of its three alignments, and with escapes."""
    raw = word.encode()
    found = [raw, raw.hex().encode(), quote(word, safe="").replace("-", "%2D").encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        found.append(encoded[4 if shift else 0 : len(encoded) - 4])
    return found


@dataclass
class Written:
    """Everything that was written or answered, by where."""

    by: dict[str, bytes] = field(default_factory=dict)

    def folder(self, name: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.by[f"{name}/{path.relative_to(folder)}"] = path.read_bytes()

    def leaks(self, places: Iterable[str]) -> list[tuple[str, str]]:
        """(word's place, where it was found)."""
        return [
            (place, where)
            for place in places
            for where, data in self.by.items()
            if any(spelling in data for spelling in spellings(planted(place)))
        ]


async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that speaks planted words: answers, streams, refuses, and breaks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    body: dict[str, Any] = json.loads(await reader.readexactly(length))
    wanted = body.get("metadata", {}).get("outcome", "")
    status, media = {"error": 500, "refusal": 400}.get(wanted, 200), "application/json"
    said: dict[str, Any] = {"id": "x", "model": "tiny"}
    usage = {"prompt_tokens": 5, "completion_tokens": 5}
    if status != 200:
        data = json.dumps({"error": {"message": planted(wanted), "type": "x"}}).encode()
    elif body.get("stream"):
        media = "text/event-stream"
        begin, end = planted("delta")[:9], planted("delta")[9:]
        chunks = [{**said, "choices": [{"delta": {"content": text}}]} for text in (begin, end)]
        data = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
        data += b"data: [DONE]\n\n"
    else:
        message = {"role": "assistant", "content": planted("answer")}
        choice = {"index": 0, "message": message, "text": planted("answer")}
        data = json.dumps({**said, "choices": [choice], "usage": usage}).encode()
    line = f"HTTP/1.1 {status} X\r\ncontent-type: {media}\r\nconnection: close\r\n"
    line += f"x-said: {planted('answer-header')}\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(line.encode() + data)
    await writer.drain()
    writer.close()


def blob_of(capture: table.Capture | None) -> bytes:
    """`hosted` is first for who asks so, and answers nobody; everything else goes to `small`."""
    chain = table.Fallback(chain=("small",))
    backends = [
        replace(backend, capabilities=("Tools", "Vision"))
        for backend in (service_backend(), external_backend(url="https://provider.invalid/v1"))
    ]
    match = table.Match(headers=(table.HeaderMatch(name="x-route", value="hosted"),))
    target = table.Target(backend="hosted")
    return table.encode(
        table.PolicyBlob(
            namespace=NAMESPACE,
            name="support",
            revision="r1",
            model_names=("auto",),
            routes=(
                table.Route(name="paid", targets=(target,), match=match, fallback=chain),
                table.Route(name="default", targets=(table.Target(backend="small"),)),
            ),
            backends={backend.name: backend for backend in backends},
            capture=capture,
            signals=table.Signals(retry_window_s=600.0, abandoned=True),
        )
    )


@asynccontextmanager
async def api_server(capture: table.Capture | None) -> AsyncIterator[FakeApi]:
    """With the table, a model server behind it, a provider's key, and one caller."""
    server = await asyncio.start_server(model, "127.0.0.1", 0)
    blob = blob_of(capture)
    async with FakeApi() as api, server:
        api.put(service_object())
        port = server.sockets[0].getsockname()[1]
        api.put(slice_object(addresses=("127.0.0.1",), port=port))
        api.put(secret_object(planted("provider-key").encode(), hosts="provider.invalid"))
        api.put(callers_object(app=caller_entry(planted("api-key").encode(), team="desk")))
        api.put(blob_object(blob))
        api.put(manifest_object(manifest(1, entry(blob))))
        yield api


def chat(outcome: str = "", *, stream: bool = False) -> dict[str, Any]:
    """A conversation with a word in each of its places."""
    call = {"name": "f", "arguments": json.dumps({"x": planted("tool-call")})}
    image = f"https://x.invalid/{planted('image')}.png"
    return {
        "model": "auto",
        "stream": stream,
        "user": planted("user"),
        "metadata": {"note": planted("metadata"), "outcome": outcome},
        "tools": [{"type": "function", "function": {"name": planted("tool")}}],
        "messages": [
            {"role": "system", "content": planted("system")},
            {"role": "user", "content": planted("history")},
            {"role": "assistant", "tool_calls": [{"id": "1", "function": call}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"A question with {planted('prompt')}"},
                    {"type": "image_url", "image_url": {"url": image}},
                ],
            },
        ],
    }


REQUESTS: tuple[tuple[int, str, object, dict[str, str]], ...] = (
    (200, "chat/completions", chat(), {}),
    (200, "chat/completions", chat(), {"x-route": "hosted", "x-pointsman-debug": "true"}),
    (200, "chat/completions", chat(stream=True), {}),
    (502, "chat/completions", chat("error"), {}),
    (400, "chat/completions", chat("refusal"), {}),
    (200, "completions", {"model": "auto", "prompt": planted("completed")}, {}),
    (200, "embeddings", {"model": "auto", "input": planted("embedded")}, {}),
)
"""What reaches a rule, with the status that it gets."""
RETRIES = 3
"""Of the three answers to the same question."""
OTHERS: tuple[tuple[int, str, object, dict[str, str]], ...] = (
    (400, "chat/completions", f'{{"model": "auto", "{planted("malformed")}', {}),
    (404, "chat/completions", {**chat(), "model": planted("model")}, {}),
    (404, planted("path"), {}, {}),
    (200, f"chat/completions?q={planted('query')}", chat(), {}),
    (401, "chat/completions", chat(), {"Authorization": f"Bearer {planted('wrong-key')}"}),
)


async def ask_everything(router: RouterProcess) -> None:
    """And say something about the first answer."""
    own = {
        "Authorization": f"Bearer {planted('api-key')}",
        "x-custom": planted("header"),
        "cookie": planted("cookie"),
        "user-agent": planted("header"),
        "content-type": "application/json",
    }
    first = ""
    async with aiohttp.ClientSession(base_url=router.url) as session:
        for status, path, body, more in (*REQUESTS, *OTHERS):
            data = body if isinstance(body, str) else json.dumps(body)
            async with session.post(f"/v1/{path}", data=data, headers=own | more) as answer:
                text = await answer.text()
                assert answer.status == status, (path, text)
                first = first or answer.headers["x-pointsman-decision-id"]
        said = {"decision_id": first, "good": False, "comment": planted("comment")}
        async with session.post("/v1/feedback", json=said, headers=own) as answer:
            assert answer.status == 200, await answer.text()


async def look_at_router(router: RouterProcess, written: Written) -> None:
    """Everything that its admin port says to anybody, the operator included."""
    async with aiohttp.ClientSession(base_url=router.admin) as session:
        for path in ("/healthz", "/readyz", "/metrics", "/admin/table"):
            async with session.get(path) as answer:
                written.by[f"router {path}"] = await answer.read()
        async with session.get("/admin/stream") as answer, asyncio.timeout(PATIENCE_S):
            written.by["router /admin/stream"] = await answer.content.readline()


def summary(ledger: LedgerProcess) -> dict[str, Any]:
    """Of everything so far."""
    status, found = ledger.ask("GET", "/v1/summary?since=24h")
    assert status == 200
    assert isinstance(found, dict)
    return found


@asynccontextmanager
async def collected() -> AsyncIterator[Collector]:
    """Traces and metrics of the router."""
    with collecting() as collector:
        yield collector


async def everything(folder: Path, capture: table.Capture | None) -> Written:
    """Ask while the ledger is away, look, let it come, and look again."""
    written = Written()
    port = free_port()
    events, store = folder / "events", folder / "store"
    store.mkdir()
    recorded = len(REQUESTS) + 1
    async with api_server(capture) as api, collected() as collector:
        options = (
            kubeconfig(folder, api), "--admin-auth=none", "--callers=Keys", "--log-level=debug",
            "--caller-secrets=callers", f"--events-dir={events}", f"--ledger=http://127.0.0.1:{port}",
            f"--otlp-endpoint={collector.url}", "--otlp-sample=1",
        )  # fmt: skip
        with router_process(folder, *options) as router:
            await router.until_ready(lambda ready: ready["ready"])
            async with asyncio.timeout(PATIENCE_S):
                while await router.models(planted("api-key")) != ["auto"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await ask_everything(router)
            async with asyncio.timeout(PATIENCE_S):
                while lines_in(events) < recorded + 1 + RETRIES:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
            written.folder("spool", events)
            await look_at_router(router, written)
            with ledger_process(f"--db={store / 'l.db'}", f"--listen=127.0.0.1:{port}") as ledger:
                async with asyncio.timeout(PATIENCE_S):
                    while not is_there(found := summary(ledger), recorded):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                total = found["totals"][0]
                assert (total["feedback"], total["retried"]) == (1, RETRIES)
                written.folder("store", store)
                for path in ("/metrics", "/healthz", "/readyz", "/v1/summary?since=24h&by=team"):
                    written.by[f"ledger {path}"] = json.dumps(ledger.ask("GET", path)).encode()
                assert router.stop() == 0
                assert ledger.end() == 0
                written.by["ledger log"] = "".join(ledger.logged).encode()
            written.by["router log"] = "".join(router.logged).encode()
            assert len(collector.spans) > 2 * recorded
            assert collector.metrics
            for number, (path, headers, body) in enumerate(collector.requests):
                written.by[f"otlp {path} {number}"] = repr(headers).encode() + body
    written.folder("store at the end", store)
    written.folder("state", folder / "state")
    return written


def lines_in(events: Path) -> int:
    """Events in the spool's files, roughly: each has one of these."""
    return sum(path.read_bytes().count(b'"at_ms":') for path in events.rglob("*") if path.is_file())


def is_there(found: dict[str, Any], recorded: int) -> bool:
    """Whether the ledger has all requests and what was said and seen of them."""
    return bool(found["totals"]) and all(
        sum(total[name] for total in found["totals"]) >= count
        for name, count in (("requests", recorded), ("feedback", 1), ("retried", RETRIES))
    )


async def test_nothing_of_a_text_is_anywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without `capture`; also not as a hash."""
    written = await everything(tmp_path, None)
    written.by["stdout and stderr"] = "".join(capfd.readouterr()).encode()
    assert written.leaks(PLACES) == []
    prompts = [f"user: A question with {planted('prompt')}", planted("answer"), planted("delta")]
    for text in prompts:
        digest = hashlib.sha256(text.encode()).hexdigest().encode()
        assert [where for where, data in written.by.items() if digest in data] == []
    kept = {where.partition("/")[0] for _, where in written.leaks(["comment"])}
    assert kept <= {"spool", "store", "store at the end"}
    assert "store at the end" in kept


async def test_full_keeps_texts_in_spool_and_ledger_alone(tmp_path: Path) -> None:
    """The same search finds them, so it can; what a pattern takes is found nowhere."""
    pattern = planted("history")[:20]
    capture = table.Capture(mode="Full", keep_s=3600, patterns=(pattern,))
    written = await everything(tmp_path, capture)
    leaks = written.leaks(PLACES)
    assert {place for place, _ in leaks} == TEXT_OF - {"history"}
    assert {where.partition("/")[0] for _, where in leaks} == {"spool", "store", "store at the end"}
    assert any(b"[redacted]" in data for data in written.by.values())


async def test_hashes_are_no_texts(tmp_path: Path) -> None:
    """And the same for the same text."""
    written = await everything(tmp_path, table.Capture(mode="Hash", keep_s=3600))
    assert written.leaks(PLACES) == []
    digest = hashlib.sha256(planted("answer").encode()).hexdigest().encode()
    stored = b"".join(data for where, data in written.by.items() if where.startswith("store"))
    assert stored.count(digest) >= 2
