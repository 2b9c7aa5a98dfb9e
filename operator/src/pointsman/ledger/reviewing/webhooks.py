"""Tells webhooks of held requests: only those that the policy names, signed, without any text.

Guarantees that a delivery survives the ledger's death, that no redirect is followed, and that a
receiver that is slow or away costs nobody but itself: TRIES tries, a bounded number at once.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from pointsman.ledger.contract import BadData, StoreError
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.dialing import NotDialed, checked, session
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.reviewing.signing import MIN_KEY_BYTES, headers
from pointsman.ledger.reviews import posting
from pointsman.ledger.reviews.posting import Delivery

_log = logging.getLogger(__name__)
LOOK_S: Final = 1.0
"""Between two looks at what is due."""
TIMEOUT_S: Final = 10.0
_MAX_KEY_BYTES: Final = 4096
_NAME: Final = re.compile(r"[a-z0-9][A-Za-z0-9._-]*")


class NoKey(Exception):
    """The text says which."""


def key_of(folder: Path | None, name: str) -> bytes:
    """Read anew each time: a mounted Secret changes under us. Raises NoKey."""
    if folder is None:
        raise NoKey("there is no --webhook-keys-dir")
    if not _NAME.fullmatch(name):
        raise NoKey("the key's name is no file's")
    try:
        with (folder / name).open("rb") as opened:
            key = opened.read(_MAX_KEY_BYTES).strip()
    except OSError as error:
        raise NoKey(f"{name}: {error.strerror}") from None
    if len(key) < MIN_KEY_BYTES:
        raise NoKey(f"{name} is shorter than {MIN_KEY_BYTES} bytes")
    return key


class Webhooks:
    """One for a process."""

    def __init__(
        self,
        calls: Calls,
        figures: Figures,
        clock: Callable[[], int],
        *,
        keys: Path | None,
        allow_loopback: bool,
    ) -> None:
        self._calls = calls
        self._figures = figures
        self._clock = clock
        self._keys = keys
        self._allow_loopback = allow_loopback
        self._under_way: Counter[str] = Counter()

    async def run(self) -> None:
        """Until it is cancelled."""
        async with (
            session(allow_loopback=self._allow_loopback, timeout_s=TIMEOUT_S) as client,
            asyncio.TaskGroup() as group,
        ):
            while True:
                try:
                    for delivery in await self._due():
                        self._under_way[delivery.url] += 1
                        group.create_task(self._send(client, delivery))
                except (StoreError, BadData) as error:
                    _log.warning("webhooks-wait", extra={"reason": str(error)})
                except Exception:  # noqa: BLE001 - logged; the ledger does not end by it
                    _log.exception("webhooks-wait")
                await asyncio.sleep(LOOK_S)

    async def _due(self) -> list[Delivery]:
        now, under_way = self._clock(), self._under_way.copy()
        if not await self._calls.query(posting.waiting(now)):
            return []
        return await self._calls.transact(lambda t: posting.due(t, under_way, now))

    async def _send(self, client: aiohttp.ClientSession, delivery: Delivery) -> None:
        """A store that is away meanwhile: the same once more, later, under the same id."""
        try:
            await self._note(delivery, await self._try(client, delivery))
        except (StoreError, BadData) as error:
            _log.warning("webhooks-wait", extra={"reason": str(error)})
        finally:
            self._under_way[delivery.url] -= 1
            self._under_way += Counter()  # forgets who has none

    async def _note(self, delivery: Delivery, problem: str) -> None:
        now = self._clock()
        if not problem:
            await self._calls.transact(lambda t: posting.done(t, delivery.id))
            self._figures.delivered("Delivered")
            return
        again = await self._calls.transact(lambda t: posting.later(t, delivery, now))
        self._figures.delivered("Failed" if again else "GivenUp")
        facts = {"review": delivery.review, "webhook": delivery.name, "tries": delivery.tries}
        event = "webhook-failed" if again else "webhook-given-up"
        _log.warning(event, extra={**facts, "reason": problem})

    async def _try(self, client: aiohttp.ClientSession, delivery: Delivery) -> str:
        """What is wrong; empty if the receiver took it. One beyond the last is not made."""
        if delivery.tries > posting.TRIES:
            return "the ledger ended during the last try"
        body = delivery.body.encode()
        try:
            key = key_of(self._keys, delivery.name)
            url = checked(delivery.url, allow_loopback=self._allow_loopback)
            told = headers(key, delivery.id, body, self._clock() // 1000)
            async with client.post(url, data=body, headers=told, allow_redirects=False) as answer:
                return "" if 200 <= answer.status < 300 else f"status {answer.status}"
        except (NoKey, NotDialed) as error:
            return str(error)
        except TimeoutError:
            return f"no answer within {TIMEOUT_S:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__
