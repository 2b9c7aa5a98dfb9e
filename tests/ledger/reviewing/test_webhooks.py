"""Webhooks of held requests, to real receivers: signed, once, and only where they may go."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from pointsman.events.reviews import Webhook
from pointsman.ledger.contract import Store
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.dialing import NotDialed, checked, session
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.reviewing.signing import Receiver, Refused
from pointsman.ledger.reviewing.webhooks import NoKey, Webhooks, key_of
from pointsman.ledger.reviews import posting, storing
from pointsman.ledger.reviews.opening import open_held
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS
from tests.ledger.reviews.opened import opening

KEY = b"a signing key of the desk"
PATIENCE_S = 30.0


class Hook:
    """A receiver on loopback; `statuses` are its first answers, then 200."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self._receiver = Receiver(KEY)
        self.taken: list[dict[str, object]] = []
        self.tries: list[tuple[dict[str, str], bytes]] = []
        self.refused: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        """As a careful receiver does."""
        told = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.tries.append((told, body))
        if self._statuses and (status := self._statuses.pop(0)) != 200:
            return web.Response(status=status, headers={"Location": "/other"})
        return self.take(told, body)

    def take(self, told: dict[str, str], body: bytes) -> web.Response:
        """By the ledger's clock of the tests."""
        try:
            self.taken.append(self._receiver.accept(told, body, NOW_MS // 1000))
        except Refused as error:
            self.refused.append(str(error))
            return web.Response(status=403)
        return web.Response()

    @property
    def url(self) -> str:
        """Of the policy."""
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def listening(*hooks: Hook) -> AsyncIterator[None]:
    """Each on a port of its own."""
    runners = []
    for hook in hooks:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", hook.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hook.port = runner.addresses[0][1]
        runners.append(runner)
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


class Sender:
    """The ledger's sender with a clock that the test moves."""

    def __init__(self, store: Store, keys: Path | None, *, allow_loopback: bool = True) -> None:
        self.now_ms = NOW_MS
        self.registry = CollectorRegistry()
        self._webhooks = Webhooks(
            Calls(store),
            Figures(self.registry),
            lambda: self.now_ms,
            keys=keys,
            allow_loopback=allow_loopback,
        )

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Meanwhile."""
        task = asyncio.create_task(self._webhooks.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def count(self, result: str) -> float:
        """Tries that ended so."""
        name = "pointsman_ledger_reviews_webhooks_total"
        return self.registry.get_sample_value(name, {"result": result}) or 0.0

    async def until(self, result: str, wanted: int) -> None:
        """Within the patience of a test."""
        async with asyncio.timeout(PATIENCE_S):
            while self.count(result) < wanted:  # noqa: ASYNC110 - a real receiver answers meanwhile
                await asyncio.sleep(0.01)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """As a Secret is mounted."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "hooks.desk").write_bytes(KEY + b"\n")
    return folder


def hold(store: Store, number: int, *urls: str, name: str = "hooks.desk") -> None:
    """A held request whose policy names these webhooks."""
    webhooks = tuple(Webhook(name, url) for url in urls)
    store.transact(lambda t: open_held(t, opening(number, webhooks=webhooks), NOW_MS))


def waiting(store: Store) -> list[tuple[int, int]]:
    """(tries, due in ms) of what waits."""
    rows = store.query("SELECT tries, due_ms FROM review_webhooks ORDER BY due_ms", ())
    return [(int(str(tries)), int(str(due_ms)) - NOW_MS) for tries, due_ms in rows]


async def test_a_held_request_is_told_without_its_text(store: Store, keys: Path) -> None:
    """To each webhook of the policy; opened once more it is told once."""
    one, two = Hook(), Hook()
    async with listening(one, two):
        sender = Sender(store, keys)
        hold(store, 1, one.url, two.url)
        hold(store, 1, one.url, two.url)
        async with sender.sending():
            await sender.until("Delivered", 2)
    (body,) = one.taken
    delivery = body.pop("delivery")
    assert body == {
        "id": "d-1", "policy": "support", "rule": "refunds", "mode": "Hold", "stage": "Answer",
        "priority": "Normal", "created": NOW_MS // 1000, "deadline": NOW_MS // 1000 + 600,
    }  # fmt: skip
    assert two.taken[0]["delivery"] != delivery
    assert waiting(store) == []


async def test_a_replay_is_refused_by_its_receiver(store: Store, keys: Path) -> None:
    """What was overheard, byte by byte, comes again to the receiver's port."""
    hook = Hook()
    async with listening(hook):
        sender = Sender(store, keys)
        hold(store, 1, hook.url)
        async with sender.sending():
            await sender.until("Delivered", 1)
        told, body = hook.tries[0]
        headers = {name: told[name] for name in told if name.startswith("x-pointsman")}
        async with (
            session(allow_loopback=True, timeout_s=5) as client,
            client.post(hook.url, data=body, headers=headers) as answer,
        ):
            assert answer.status == 403
    assert hook.refused == ["it was told before"]
    assert len(hook.taken) == 1


async def test_a_receiver_that_is_away_gets_it_later_under_the_same_name(
    store: Store, keys: Path
) -> None:
    """Growing pauses; a redirect is a failure, and followed nowhere."""
    hook = Hook(500, 302)
    async with listening(hook):
        sender = Sender(store, keys)
        hold(store, 1, hook.url)
        async with sender.sending():
            await sender.until("Failed", 1)
            assert waiting(store) == [(1, posting.PAUSES_MS[0])]
            sender.now_ms += posting.PAUSES_MS[0]
            await sender.until("Failed", 2)
            sender.now_ms += posting.PAUSES_MS[1]
            await sender.until("Delivered", 1)
    assert [told["x-pointsman-delivery"] for told, _ in hook.tries] == 3 * [
        hook.taken[0]["delivery"]
    ]


async def test_after_six_tries_it_is_given_up(store: Store, keys: Path) -> None:
    """The request waits in the queue all the same."""
    hook = Hook(*[503] * 9)
    async with listening(hook):
        sender = Sender(store, keys)
        hold(store, 1, hook.url)
        async with sender.sending():
            for tries, pause_ms in enumerate(posting.PAUSES_MS, 1):
                await sender.until("Failed", tries)
                sender.now_ms += pause_ms
            await sender.until("GivenUp", 1)
    assert len(hook.tries) == posting.TRIES
    assert waiting(store) == []
    assert store.query("SELECT state FROM reviews", ()) == [("Pending",)]


async def test_a_ledger_that_dies_in_the_last_try_makes_no_further_one(
    store: Store, keys: Path
) -> None:
    """Each try is counted before it is made, the one that nobody heard the end of too."""
    hook = Hook()
    async with listening(hook):
        sender = Sender(store, keys)
        hold(store, 1, hook.url)
        for _ in range(posting.TRIES):
            assert store.transact(lambda t: posting.due(t, Counter(), sender.now_ms))
            sender.now_ms += posting.SENDING_MS
        async with sender.sending():
            await sender.until("GivenUp", 1)
    assert hook.tries == []
    assert waiting(store) == []


async def test_without_its_key_nothing_is_sent(store: Store, keys: Path) -> None:
    """It may be mounted later: then it goes."""
    hook = Hook()
    async with listening(hook):
        sender = Sender(store, keys)
        hold(store, 1, hook.url, name="hooks.late")
        async with sender.sending():
            await sender.until("Failed", 1)
            assert hook.tries == []
            (keys / "hooks.late").write_bytes(KEY)
            sender.now_ms += posting.PAUSES_MS[0]
            await sender.until("Delivered", 1)


def test_a_slow_receiver_leaves_room_for_others(store: Store) -> None:
    """A few at once to each; who died while it sent is followed after a minute."""
    for number in range(9):
        hold(store, number, "http://slow.example/")
    hold(store, 9, "http://other.example/")
    found = store.transact(lambda t: posting.due(t, Counter(), NOW_MS))
    urls = [delivery.url for delivery in found]
    assert sorted(urls) == ["http://other.example/"] + 4 * ["http://slow.example/"]
    assert len(store.transact(lambda t: posting.due(t, Counter(urls), NOW_MS))) == 0
    later_ms = NOW_MS + posting.SENDING_MS
    again = store.transact(lambda t: posting.due(t, Counter(), later_ms))
    assert max(delivery.tries for delivery in again) <= 2


def test_however_much_waits_for_one_receiver_the_others_are_told(store: Store) -> None:
    """Of those that do not answer too, each has a few places, and none takes the last one."""
    away = [f"http://away-{number}.example/" for number in range(4)]
    rows = [
        (f"{url}{number}", "d-1", "hooks.desk", url, "{}", 0, NOW_MS - 1, NOW_MS + DAY_MS)
        for url in away
        for number in range(300)
    ]
    store.transact(lambda t: storing.add_deliveries(t, rows))
    hold(store, 1, "http://other.example/")
    one_is_full = Counter({away[0]: posting.EACH_URL})
    found = store.transact(lambda t: posting.due(t, one_is_full, NOW_MS))
    to = Counter(delivery.url for delivery in found)
    assert to["http://other.example/"] == 1
    assert to[away[0]] == 0
    assert (max(to.values()), to.total()) == (posting.EACH_URL, posting.MOST - posting.EACH_URL)
    hold(store, 2, "http://other.example/")
    one_is_left = Counter(dict(zip(away, (4, 4, 4, 3), strict=True)))
    found = store.transact(lambda t: posting.due(t, one_is_left, NOW_MS))
    assert [delivery.url for delivery in found] == ["http://other.example/"]


def test_receivers_that_are_away_leave_room_in_the_store(store: Store) -> None:
    """Of those of one as many wait as places are free; another one still finds some."""
    most = 40

    def send(url: str, count: int) -> int:
        """How many of them wait then."""
        rows = [
            (f"{url}{number}", "d-1", "hooks.desk", url, "{}", 0, NOW_MS, NOW_MS + DAY_MS)
            for number in range(count)
        ]
        store.transact(lambda t: storing.add_deliveries(t, rows, most))
        found = store.query("SELECT count(*) FROM review_webhooks WHERE url = ?", (url,))
        return int(str(found[0][0]))

    assert send("http://away.example/", 50) == 20
    assert send("http://gone.example/", 50) == 10
    assert send("http://well.example/", 5) == 5


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest", "is a metadata service"),
        ("http://[fe80::1]/", "is a link-local address"),
        ("http://[::ffff:169.254.169.254]/", "is a metadata service"),
        ("http://127.0.0.1:9903/v1/events", "is a loopback address"),
        ("http://0.0.0.0/", "is the unspecified address"),
        ("http://①②⑦.⓪.⓪.①:9903/v1/events", "is a loopback address"),
        ("http://１６９.２５４.１６９.２５４/", "is a metadata service"),
        ("http://169。254。169。254/", "is a metadata service"),
        ("http://user:word@hooks.example/", "without a password"),
        ("ftp://hooks.example/", "is not http"),
        ("http://[::1", "is not http"),
    ],
)
def test_where_a_webhook_never_goes(url: str, why: str) -> None:
    """Whoever writes a policy cannot reach the machine's own addresses by it."""
    with pytest.raises(NotDialed, match=why):
        checked(url, allow_loopback=False)


async def test_a_name_that_leads_to_loopback_is_not_dialed(sqlite_place: Place, keys: Path) -> None:
    """What is looked at is what is dialed."""
    store = sqlite_place.store()
    store.open()
    hook = Hook()
    async with listening(hook):
        sender = Sender(store, keys, allow_loopback=False)
        hold(store, 1, hook.url.replace("127.0.0.1", "localhost"))
        async with sender.sending():
            await sender.until("Failed", 1)
    assert hook.tries == []


def test_keys_are_read_as_they_are_mounted(keys: Path) -> None:
    """Anew each time; none that is too short, and nothing beside the folder."""
    assert key_of(keys, "hooks.desk") == KEY
    (keys / "hooks.desk").write_bytes(b"another key of the desk")
    assert key_of(keys, "hooks.desk") == b"another key of the desk"
    (keys / "hooks.short").write_bytes(b"short")
    for folder, name in (
        (keys, "hooks.short"), (keys, "hooks.none"), (keys, "../people"), (None, "hooks.desk"),
    ):  # fmt: skip
        with pytest.raises(NoKey):
            key_of(folder, name)
