"""Objects that nest deep: nobody's may keep the others of its list from being read.

The API server takes 10,000 levels, readers of JSON a tenth of that; `podTemplate` is where a user
may nest at all. Guarantees that what is read of it ends after DEEPEST levels: below is null, in an
object that is refused for its depth anyway (`plan.children`).
"""

import json
from typing import Any

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
