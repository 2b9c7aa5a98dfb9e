"""Pages over HTTP, of a real ledger process on a busy desk: what they say, and what they refuse."""

import http.client
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from pointsman.api.orders import ABORT, APPROVE
from pointsman.ledger.console.fleet.files import STATE, read_orders
from tests.browser.proxy import FLAGS, GROUPS, USER
from tests.ledger.console.showing import fleet, main, show
from tests.ledger.process import LedgerProcess, ledger_process

pytestmark = pytest.mark.local
PATIENCE_S = 20.0
ALL = (
    "flow", "cost", "cost?period=30d", "quality", "quality?of=golden", "drift", "rollouts",
    "rollouts/support", "decisions", "decisions?failed=yes", "audit", "audit?check=yes",
)  # fmt: skip


@dataclass
class Person:
    """Whoever the proxy says it is, with a session."""

    ledger: LedgerProcess
    name: str
    group: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text; redirects are not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ledger.port, timeout=30)
        origin = f"http://127.0.0.1:{self.ledger.port}"
        headers = {USER: self.name, GROUPS: self.group, "Origin": origin}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, f"/console/{path}", urlencode(form or {}), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for one in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, text or answer.headers.get("Location", "")

    def get(self, path: str) -> str:
        """A page that is there."""
        status, text = self.ask("GET", path)
        assert status == 200, f"{path}: {status}\n{text}"
        return text

    def press(self, page: str, action: str, /, **fields: str) -> tuple[int, str]:
        """The button of a page, with what its form has."""
        text = self.get(page)
        form = {
            name: unescape(value)
            for name, value in re.findall(
                r'name="(form_token|revision|step)" value="([^"]*)"', text
            )
        }
        return self.ask("POST", page, {"action": action} | form | fields)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two days of a busy desk."""
    place = tmp_path_factory.mktemp("desk")
    main(place)
    return place


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Iterator[LedgerProcess]:
    """On that desk, with its fleet."""
    flags = (f"--db={folder / 'ledger.db'}", f"--console-fleet={folder}", *FLAGS)
    with ledger_process(*flags) as process:
        yield process


@pytest.fixture
def otto(ledger: LedgerProcess, folder: Path) -> Person:
    """An operator, and a fleet that was seen just now."""
    show(folder, fleet(time.time_ns() // 1_000_000))
    person = Person(ledger, "otto", "platform")
    seen_until(person, "AwaitingApproval")
    return person


@pytest.fixture
def vera(ledger: LedgerProcess) -> Person:
    """Who may only look."""
    return Person(ledger, "vera", "readers")


def seen_until(person: Person, text: str) -> str:
    """The page of the rollout, once it says so."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        status, found = person.ask("GET", "rollouts/support")
        if status == 200 and text in found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"never said {text!r}:\n{found}")


@pytest.mark.parametrize("path", ALL)
def test_no_name_and_no_comment_becomes_markup(otto: Person, path: str) -> None:
    """A team is called </text><script>..., a comment has an image with onerror."""
    text = otto.get(path)

    assert "<img" not in text
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert " style=" not in text


def test_a_hostile_comment_is_read_as_it_was_written(otto: Person) -> None:
    """On the page of its decision."""
    text = otto.get("decisions/00000000-c0de-4a11-9e5d")

    assert "&lt;img src=x onerror=alert(1)&gt; not what I asked" in text


def test_each_page_says_what_there_is(otto: Person) -> None:
    """The same figures as the ledger's API."""
    summary = otto.ledger.ask("GET", "/v1/summary?since=24h")[1]
    names = {line["by"]["backend"] for line in summary["lines"]}
    cost = otto.get("cost")
    assert all(name in cost for name in names)
    assert "what the baseline would have cost" in cost
    flow = otto.get("flow")
    assert "2/2 ready, queue 5" in flow
    assert "1 of 2" in flow
    assert re.search(r'heat-\d few" title="95 % interval', otto.get("quality"))
    drift = otto.get("drift")
    assert "21.4 points worse" in drift
    assert drift.index("llama-old") < drift.index("hosted-gpt"), "what changed comes first"
    assert "No analysis" not in otto.get("rollouts/support")


def test_a_decision_is_explained_as_by_the_command(otto: Person) -> None:
    """Features, rule, candidates, who was skipped, scores, attempts, cost."""
    decision = "00000000-c0de-4a11-9e5d"
    text = unescape(otto.get(f"decisions/{decision}"))
    event = otto.ledger.ask("GET", f"/v1/requests/{decision}")[1]

    for said in (event["rule"], event["policy"], event["revision"], *event["candidates"],
                 "context too small", "below minQuality 0.6", f"decision  {decision}",
                 "the baseline would have cost"):  # fmt: skip
        assert said in text
    status, where = otto.ask("GET", f"decisions?id={decision}")
    assert (status, where) == (303, f"/console/decisions/{decision}")


def test_older_decisions_are_a_link_away(otto: Person) -> None:
    """Following it, each is seen once."""
    path, seen = "decisions?policy=search&since=1h", list[str]()
    while path:
        text = otto.get(path)
        seen += re.findall(r'href="/console/decisions/([^"?]+)"', text)
        further = re.search(r'class="button" href="/console/(decisions\?[^"]+)"', text)
        path = unescape(further[1]) if further else ""
    asked = otto.ledger.ask("GET", "/v1/recent?policy=search&since=1h&limit=10000")[1]

    assert len(seen) == len(set(seen))
    assert set(seen) == {one["decision"] for one in asked["requests"]}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("cost?period=2y", 400, "period is one of"),
        ("quality?of=feelings", 400, "ratings or golden"),
        ("decisions?since=yesterday", 400, "a time is written as"),
        ("decisions?since=1h&until=2h", 400, "since has to be before until"),
        ("decisions?after=x", 400, "what the page before gave"),
        (f"decisions?policy={'x' * 300}", 400, "at most 253"),
        ("audit?after=-1", 400, "what the page before gave"),
        ("audit?after=%C2%B2", 400, "what the page before gave"),
        ("decisions?after=%C2%B2:d-1", 400, "what the page before gave"),
        ("reviews?after=0:99999999999999999999:d-1", 400, "what the page before gave"),
        ("decisions/none", 404, "no decision none"),
        (f"rollouts/{quote('<b>')}", 404, "no policy &lt;b&gt;"),
    ],
)
def test_what_means_nothing_is_told(otto: Person, path: str, status: int, message: str) -> None:
    """In the page, with its frame."""
    found, text = otto.ask("GET", path)

    assert found == status
    assert message in text


def rows(page: str) -> list[str]:
    """The numbers of the rows of the audit log that a page shows."""
    return re.findall(r'data-label="Row">(\d+)<', page)


def test_an_approval_is_ordered_and_in_the_audit_log(otto: Person, folder: Path) -> None:
    """Under the name of who pressed; of the revision and step that the page showed."""
    status, where = otto.press("rollouts/support", "approve")
    assert (status, where) == (303, "/console/rollouts/support?said=approve")
    assert "Approved, under your name" in otto.get("rollouts/support?said=approve")

    said = json.loads(read_orders(folder)["support"][APPROVE] or "")
    assert (said["revision"], said["step"], said["approver"]) == ("support-6d0f3c5b1e", 1, "otto")
    audit = otto.get("audit?subject=routingpolicy/support")
    assert "rollout-approve" in audit
    assert "otto" in audit
    assert "The chain of" in otto.get("audit?check=yes")


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"step": "0"}, "stale: the rollout is in step 1, not 0"),
     ({"revision": "support-0"}, "stale: the candidate is support-6d0f3c5b1e")],
)  # fmt: skip
def test_a_stale_order_is_refused_and_shown(
    otto: Person, folder: Path, fields: dict[str, str], message: str
) -> None:
    """Nothing is written but the audit log."""
    before = read_orders(folder)
    status, text = otto.press("rollouts/support", "abort", **fields)

    assert status == 409
    assert message in text
    assert read_orders(folder) == before
    assert "rollout-abort-refused" in otto.get("audit")


def test_an_order_that_means_nothing_is_refused(otto: Person) -> None:
    """Before anything is noted."""
    before = otto.get("audit")
    for fields in (
        {"action": "explode"}, {"step": "two"}, {"step": "-1"}, {"step": "0000000000000000001"},
        {"revision": ""}, {"revision": "x" * 254}, {"revision": "x" * 20_000},
    ):  # fmt: skip
        status, text = otto.press("rollouts/support", "abort", **fields)
        assert status == 400, text
    assert rows(otto.get("audit")) == rows(before)


def test_an_order_to_a_policy_that_is_not_there_is_refused(otto: Person) -> None:
    """Before anything is noted: the log only grows."""
    before = otto.get("audit")
    form = {"action": "abort", "revision": "support-6d0f3c5b1e", "step": "1"}
    token = re.search(r'name="form_token" value="([^"]+)"', otto.get("rollouts/support"))
    assert token
    for name in ("nobodys", quote("x\r\ny"), quote("a/b", safe=""), "x" * 2_000):
        sent = form | {"form_token": unescape(token[1])}
        status, text = otto.ask("POST", f"rollouts/{name}", sent)
        assert status == 404, text
        assert "no policy" in text
    assert rows(otto.get("audit")) == rows(before)


def test_a_viewer_has_no_buttons_and_is_refused(otto: Person, vera: Person, folder: Path) -> None:
    """Whatever is sent; nothing of it is done."""
    text = vera.get("rollouts/support")
    assert "Orders are for the role operator; yours is viewer." in text
    assert 'name="action"' not in text
    form = {"action": "abort", "revision": "support-6d0f3c5b1e", "step": "1"}
    token = re.search(r'name="form_token" value="([^"]+)"', text)
    assert token
    assert vera.ask("POST", "rollouts/support", form | {"form_token": unescape(token[1])})[0] == 403
    assert otto.ask("POST", "rollouts/support", form)[0] == 403, "without the form's token"
    assert ABORT not in read_orders(folder).get("support", {})


def test_without_its_fleet_the_console_is_read_only(otto: Person, folder: Path) -> None:
    """It says so, shows what it saw last, and takes no order."""
    old = time.time() - 3600
    os.utime(folder / STATE, (old, old))
    text = seen_until(otto, "Read-only.")
    assert 'name="action"' not in text
    assert "AwaitingApproval" in text
    form = {"action": "abort", "revision": "support-6d0f3c5b1e", "step": "1"}
    token = re.search(r'name="form_token" value="([^"]+)"', text)
    assert token
    status, text = otto.ask("POST", "rollouts/support", form | {"form_token": unescape(token[1])})
    assert status == 409
    assert "has said nothing for" in text


def test_an_empty_ledger_has_pages_too(tmp_path: Path) -> None:
    """Each says what will be there."""
    with ledger_process(f"--db={tmp_path / 'ledger.db'}", *FLAGS) as process:
        person = Person(process, "vera", "readers")
        for path in ALL:
            if path != "rollouts/support":
                assert 'class="empty"' in person.get(path), path
        assert person.ask("GET", "rollouts/support")[0] == 404
