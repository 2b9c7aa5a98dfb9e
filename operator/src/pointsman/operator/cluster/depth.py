"""Objects that nest deep: nobody's may keep the others of its list from being read.

The API server takes 10,000 levels, readers of JSON a tenth of that; `podTemplate` is where a user
may nest at all. Guarantees that what is read of it ends after DEEPEST levels: below is null, in an
object that is refused for its depth anyway (`plan.children`).
"""

import json
from types import SimpleNamespace
from typing import Any

import aiohttp
from kopf._cogs.clients import api as kopf_api

from pointsman.api.depth import cut, flat


def cut_template(item: Any) -> None:
    """In the place where a ModelBackend may nest, if it is one."""
    spec = item.get("spec") if isinstance(item, dict) else None
    deployment = spec.get("deployment") if isinstance(spec, dict) else None
    if isinstance(deployment, dict) and "podTemplate" in deployment:
        deployment["podTemplate"] = cut(deployment["podTemplate"])


def loads(text: str) -> Any:
    """As `json.loads`, whatever the depth."""
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(flat(text.encode()))


class Deep(aiohttp.ClientResponse):
    """An answer that is read so."""

    async def json(self, **_: Any) -> Any:
        """As kopf asks for it."""
        return loads((await self.read()).decode())


def let_kopf_read() -> None:
    """
    Its watches read each line by `json.loads`, its lists by `Deep`.

    A watch that ends with a line that it cannot read ends with it again each time it begins anew.
    """
    kopf_api.json = SimpleNamespace(loads=loads)  # type: ignore[attr-defined, assignment]
