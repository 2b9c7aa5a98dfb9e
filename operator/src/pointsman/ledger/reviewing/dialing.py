"""Connections to webhooks: to no address that `guard` refuses, whatever a name resolves to.

What was looked at is what is dialed: a name is resolved once, by the connection itself.
"""

from socket import AddressFamily

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pointsman.process.guard import why_refused


class NotDialed(Exception):
    """The text says why."""


class GuardedResolver(AbstractResolver):
    """Names, as the system knows them, without what must not be dialed."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises NotDialed if nothing is left."""
        found = await self._system.resolve(host, port, family)
        why = {
            one["host"]: why_refused(one["host"], allow_loopback=self._allow_loopback)
            for one in found
        }
        left = [one for one in found if not why[one["host"]]]
        if not left:
            raise NotDialed(f"{host} {next(iter(why.values()), 'has no address')}")
        return left

    async def close(self) -> None:
        """Nothing is held."""
        await self._system.close()


def checked(url: str, *, allow_loopback: bool) -> URL:
    """
    To be dialed as it is returned: an address in the URL itself is resolved by nobody.

    It is read by who dials it: another reader may see a name where that one sees an address, such
    as in digits with circles around them. Raises NotDialed.
    """
    try:
        found = URL(url)
        host = found.raw_host or ""
    except ValueError:
        host = ""
    if not host or found.scheme not in ("http", "https") or found.raw_user or found.raw_password:
        raise NotDialed("the URL is not http(s)://host without a password")
    reason = why_refused(host, allow_loopback=allow_loopback)
    if reason and reason != "is no IP address":
        raise NotDialed(f"{host} {reason}")
    return found


def session(*, allow_loopback: bool, timeout_s: float) -> aiohttp.ClientSession:
    """No cookies, no proxy of the environment."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allow_loopback=allow_loopback),
        use_dns_cache=False,
        limit=16,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        trust_env=False,
    )
