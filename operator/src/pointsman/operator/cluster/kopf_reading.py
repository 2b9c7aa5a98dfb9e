"""How kopf reads the API server's answers: however deep one of the objects nests.

A watch that ends with a line that it cannot read ends with it again each time it begins anew.
"""

from types import SimpleNamespace
from typing import Any

import aiohttp
from kopf._cogs.clients import api as kopf_api

from pointsman.operator.cluster.depth import loads


class Deep(aiohttp.ClientResponse):
    """An answer that is read so."""

    async def json(self, **_: Any) -> Any:
        """As kopf asks for it."""
        return loads((await self.read()).decode())


def let_kopf_read() -> None:
    """Its watches read each line by `json.loads`, its lists by `Deep`."""
    kopf_api.json = SimpleNamespace(loads=loads)  # type: ignore[attr-defined, assignment]
