"""A session of aiohttp that says which kinds it has listed."""

from collections.abc import Callable

import aiohttp


def hearing_lists(heard: Callable[[str], None]) -> aiohttp.TraceConfig:
    """For a session of kopf's: `heard` is told the last word of each path that is not watched."""
    config = aiohttp.TraceConfig()

    async def answered(
        _session: aiohttp.ClientSession,
        _context: object,
        about: aiohttp.TraceRequestEndParams,
    ) -> None:
        if about.method == "GET" and about.response.ok and "watch" not in about.url.query:
            heard(about.url.path.rpartition("/")[2])

    config.on_request_end.append(answered)
    return config
