"""A session of aiohttp that learns of a rotated authority while it lives."""

import ssl
from pathlib import Path

import aiohttp

from pointsman.process.trust import Trust


def renewing(context: ssl.SSLContext, file: object) -> list[aiohttp.TraceConfig]:
    """
    For a session that its owner keeps and that tries for ever, such as kopf's.

    `file`: where the authorities of `context` are; nothing: it has no file.
    """
    if not file:
        return []
    trust, config = Trust(context, Path(str(file))), aiohttp.TraceConfig()

    async def failed(
        _session: aiohttp.ClientSession,
        _context: object,
        about: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        if isinstance(about.exception, aiohttp.ClientConnectorCertificateError):
            trust.renew()

    config.on_request_exception.append(failed)
    return [config]
