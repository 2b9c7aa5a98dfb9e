"""Who may call, out of Secrets: refused alone, said, stored, and never shown."""

import base64
import json
import logging
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pointsman.api.callers import hash_of
from pointsman.process.logs import JsonFormatter
from pointsman.router.callers import Caller, Callers, Refusal, judge
from pointsman.router.control.callers import (
    CallerFeed,
    CallerSecret,
    Problem,
    Reason,
    combine,
    read_secret,
)
from pointsman.router.control.kube_config import ApiServer
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Known, Store
from pointsman.router.live import Live
from tests.router.control.objects import caller_entry, callers_object, manifest, manifest_object
from tests.router.control.router import Router, running_router, until
from tests.support.fake_api import FakeApi

LABELED = {"pointsman.dev/callers": "true"}
CANARY = b"pmk-canary-7e57ab1e-0000-1111-2222-333344445555"


def read(name: str = "callers", **data: bytes) -> CallerSecret:
    return read_secret(name, LABELED, data)


def said(problems: tuple[Problem, ...]) -> dict[str, Reason]:
    return {problem.subject: problem.reason for problem in problems}


def test_a_bad_entry_is_refused_alone() -> None:
    """The others of its Secret are let in."""
    found = read(good=caller_entry(b"1"), bad=b"pmk-not-a-hash", worse=b'{"keys": []}')

    assert [caller.name for caller in found.callers] == ["good"]
    assert said(found.problems) == {
        "callers/bad": Reason.MALFORMED,
        "callers/worse": Reason.MALFORMED,
    }


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=60), max_size=6))
def test_no_data_keeps_a_good_entry_out(data: dict[str, bytes]) -> None:
    """Nor lets anybody in besides."""
    found = read_secret("callers", LABELED, {**data, "good": caller_entry(b"1")})

    assert [caller.name for caller in found.callers] == ["good"]
    assert len(found.problems) == len(data.keys() - {"good"})
    assert all(problem.text.isprintable() for problem in found.problems)


@pytest.mark.parametrize("labels", [{}, {"pointsman.dev/callers": "yes"},
                                    {"pointsman.dev/credential": "true"}])  # fmt: skip
def test_a_secret_without_the_label_lets_nobody_in(labels: dict[str, str]) -> None:
    """It may hold anything, and was not made for this."""
    found = read_secret("callers", labels, {"app": caller_entry(b"1")})

    assert found.callers == ()
    assert said(found.problems) == {"callers": Reason.NOT_LABELED}


def test_a_key_of_two_callers_counts_for_neither() -> None:
    """Their other keys do; a caller that has no other is out."""
    secrets = {
        "a": read("a", one=caller_entry(b"shared", b"own"), two=caller_entry(b"fine")),
        "b": read("b", three=caller_entry(b"shared")),
    }
    callers, problems = combine(("a", "b"), secrets)

    def who(key: bytes) -> Caller | Refusal:
        return judge(callers, [(b"authorization", b"Bearer " + key)], 0.0).caller

    assert who(b"shared") is Refusal.UNKNOWN_KEY
    assert [getattr(who(key), "name", "") for key in (b"own", b"fine")] == ["one", "two"]
    assert {caller.name for caller in callers.everyone} == {"one", "two"}
    assert said(problems) == {"a/one": Reason.DUPLICATE_KEY, "b/three": Reason.DUPLICATE_KEY}
    assert "three" in problems[0].text


def test_one_hash_twice_in_one_entry_is_one_key() -> None:
    """It does not shut its own caller out."""
    callers, problems = combine(("a",), {"a": read("a", one=caller_entry(b"k", b"k"))})

    assert len(callers.everyone) == 1
    assert problems == ()


def test_of_two_callers_with_one_name_the_first_secret_counts() -> None:
    """The second is said: accounts would mix."""
    secrets = {"b": read("b", app=caller_entry(b"2")), "a": read("a", app=caller_entry(b"1"))}
    callers, problems = combine(("b", "a"), secrets)

    assert callers.everyone == secrets["b"].callers
    assert said(problems) == {"a/app": Reason.DUPLICATE_NAME}


def test_a_secret_that_is_not_read_leaves_the_others() -> None:
    """But nobody is called unknown before all were read."""
    secrets = {"a": read("a", app=caller_entry(b"1"))}
    some, problems = combine(("a", "b"), secrets, {"b": "the API server answers 403"})
    everything, missing = combine(("a", "b"), {**secrets, "b": None})

    assert (some.complete, everything.complete) == (False, True)
    assert len(some.everyone) == len(everything.everyone) == 1
    assert said(problems) == {"b": Reason.UNREAD}
    assert said(missing) == {"b": Reason.NOT_FOUND}


def _store(folder: Path) -> Store:
    metrics = ControlMetrics(CollectorRegistry())
    return Store(state=folder, keys=folder, identity="demo/local", metrics=metrics)


def _feed(folder: Path, *names: str) -> tuple[CallerFeed, Live, Store]:
    live, store = Live(), _store(folder)
    metrics = ControlMetrics(CollectorRegistry())
    return CallerFeed(live, metrics, names=names, store=store), live, store


def test_callers_come_back_and_withdrawn_ones_do_not(tmp_path: Path) -> None:
    """From neither slot; a Secret that is named no more is forgotten."""
    feed, live, store = _feed(tmp_path, "a", "b")
    expiring = caller_entry(b"1", team="t", policies=["p"], expiresAt="2100-01-01T00:00:00Z")
    feed.read({"a": read("a", app=expiring, gone=caller_entry(b"2")), "b": None}, {})
    feed.read({"a": read("a", app=expiring), "b": None}, {})
    assert store.flush(10)

    again, after, _ = _feed(tmp_path, "a", "b")
    assert again.restore()
    assert after.callers.everyone == live.callers.everyone
    assert after.callers.complete
    other, nobody, _ = _feed(tmp_path, "b")
    assert other.restore()
    assert nobody.callers.everyone == ()
    for path in (tmp_path / "private").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"gone" not in path.read_bytes()


def test_nothing_stored_is_not_nobody(tmp_path: Path) -> None:
    """A first start waits for the Secrets; so does one with another Secret than before."""
    feed, live, store = _feed(tmp_path, "a")
    assert not feed.restore()
    assert not live.callers.complete
    feed.read({"a": read("a", app=caller_entry(b"1"))}, {})
    assert store.flush(10)

    more, later, _ = _feed(tmp_path, "a", "b")
    assert more.restore()
    assert (later.callers.complete, len(later.callers.everyone)) == (False, 1)


def test_damaged_files_of_callers_are_refused(tmp_path: Path) -> None:
    """Then it is as before the first reading."""
    feed, _, store = _feed(tmp_path, "a")
    feed.read({"a": read("a", app=caller_entry(b"1"))}, {})
    assert store.flush(10)
    for path in (tmp_path / "private").iterdir():
        path.write_bytes(path.read_bytes().replace(b"app", b"apq"))

    again, live, damaged = _feed(tmp_path, "a")
    assert not again.restore()
    assert not live.callers.complete
    assert "checksum" in damaged.problems["callers"]


def test_a_reading_that_says_the_same_changes_nothing(tmp_path: Path) -> None:
    """Requests that were judged are not judged again."""
    feed, live, _ = _feed(tmp_path, "a")
    feed.read({"a": read("a", app=caller_entry(b"1"))}, {})
    before = live.callers
    feed.read({"a": read("a", app=caller_entry(b"1"))}, {"a": "away"})

    assert live.callers is before
    assert said(feed.problems) == {"a": Reason.UNREAD}


async def _everything(router: Router) -> str:
    found: list[str] = []
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/admin/table"):
            async with session.get(router.url + path) as answer:
                found.append(await answer.text())
    return "".join(found)


async def test_the_admin_port_says_who_may_call_and_never_a_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key in every place where a careless hand may put it; hashes stay inside as well."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    careless = {
        "raw": CANARY,
        "listed": b'{"keys": ["' + CANARY + b'"]}',
        "field": b'{"' + CANARY + b'": 1}',
        "team": caller_entry(b"x", team=CANARY.decode() + " "),
        "policy": caller_entry(b"x", policies=[CANARY.decode() + "!"]),
    }
    async with FakeApi() as api:
        secret = callers_object(good=caller_entry(CANARY, team="search"))
        secret["data"] |= {
            name: base64.b64encode(value).decode() for name, value in careless.items()
        }
        api.put(secret)
        api.put(manifest_object(manifest(1)))
        async with running_router(
            ApiServer(api.url), folder=tmp_path, callers=["callers", "missing"]
        ) as router:
            await until(lambda: router.caller(CANARY) == "good" and router.live.ready, "a caller")
            emitted = await _everything(router) + repr((router, router.callers))
            broken = callers_object(good=b"")
            broken["data"] = {"good": CANARY.decode()}
            api.put(broken)
            await until(lambda: "callers" in router.cluster.unread, "a Secret that is no base64")
            emitted += await _everything(router) + str(router.callers and router.callers.problems)
            assert router.caller(CANARY) == "good"
    emitted += "".join(JsonFormatter().format(r) + repr(vars(r)) for r in caplog.records)
    emitted += "".join(capfd.readouterr())

    assert CANARY.decode() not in emitted
    assert hash_of(CANARY).removeprefix("sha256:") not in emitted
    assert '"name":"good","team":"search","policies":["*"],"keys":1' in emitted
    for text in ("callers/raw", "callers/listed", "callers/team", "missing", "NotFound"):
        assert text in emitted
    assert 'pointsman_router_caller_problems{reason="Malformed"} 5.0' in emitted
    assert "pointsman_router_callers 1.0" in emitted


async def test_a_router_that_knows_nobody_yet_is_not_ready(tmp_path: Path) -> None:
    """Its Service must not send it what it can only refuse."""
    async with FakeApi() as api, aiohttp.ClientSession() as session:
        api.put(manifest_object(manifest(1)))
        forbidden = callers_object("callers")
        forbidden["data"] = {"x": "%"}  # cannot be read, so neither there nor not there
        api.put(forbidden)
        async with running_router(ApiServer(api.url), callers=["callers"]) as router:
            await until(lambda: router.cluster.unread and router.live.ready, "a table alone")
            async with session.get(f"{router.url}/readyz") as answer:
                assert answer.status == 503
                assert "Unread" in (await answer.json())["callers"]["problems"]["callers"]
            api.put(callers_object(app=caller_entry(b"1")))
            await until(lambda: router.caller(b"1") == "app", "the caller")
            async with session.get(f"{router.url}/readyz") as answer:
                assert answer.status == 200


@pytest.mark.slow
def test_a_search_does_not_grow_with_the_callers() -> None:
    """As many as a Secret can hold, compared with one; a walk over all would take 1000 times."""
    many = {f"app-{n}": caller_entry(b"%d" % n) for n in range(5000)}
    callers, problems = combine(("a",), {"a": read("a", **many)})
    few, _ = combine(("a",), {"a": read("a", app=caller_entry(b"1"))})

    def spent_s(known: Callers) -> float:
        headers = [(b"authorization", b"Bearer 1")]
        began = time.perf_counter()
        for _ in range(500):
            assert isinstance(judge(known, headers, 0.0).caller, Caller)
        return time.perf_counter() - began

    assert problems == ()
    assert min(spent_s(callers) for _ in range(5)) < 50 * min(spent_s(few) for _ in range(5))


def test_the_secret_of_the_readme_is_one_that_is_read() -> None:
    """As it stands there."""
    page = Path(__file__).parents[3] / "router" / "README.md"
    shown = page.read_text().partition("```yaml\n")[2].partition("```")[0]
    secret = yaml.safe_load(shown)
    data = {name: value.encode() for name, value in secret["stringData"].items()}
    found = read_secret("callers", secret["metadata"]["labels"], data)

    assert found.problems == ()
    assert [(c.name, c.team, c.policies) for c in found.callers] == [
        ("my-app", "search", frozenset({"support-desk"}))
    ]


def test_the_class_of_a_keys_data_outlives_a_restart(tmp_path: Path) -> None:
    """Lost, it would be Public: what comes back from disk is what the Secret said."""
    entry = json.dumps({"keys": ["sha256:" + "0" * 64], "dataClass": "Confidential"}).encode()
    secret = read(app=entry)
    assert [caller.data_rank for caller in secret.callers] == [2]
    metrics = ControlMetrics(CollectorRegistry())
    places: Any = {"state": tmp_path / "state", "keys": tmp_path / "keys", "identity": "demo"}
    before = Store(**places, metrics=metrics)
    before.save_callers({"s": Known(secret.callers, secret.teams)})
    assert before.flush(10)
    found = Store(**places, metrics=metrics).load_callers()
    assert found is not None
    assert found["s"].callers == secret.callers


@pytest.mark.parametrize("written", ["Secret", "public", "", None, 1])
def test_a_key_with_a_class_that_is_none_lets_nobody_in(written: object) -> None:
    """It is not taken for the least, nor for the most."""
    entry = json.dumps({"keys": ["sha256:" + "0" * 64], "dataClass": written}).encode()
    secret = read(app=entry)
    assert secret.callers == ()
    assert [problem.reason for problem in secret.problems] == ["Malformed"]
