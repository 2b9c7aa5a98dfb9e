"""Which backends routers may ask alone, for the operator: those with an evaluation, the judges of
these, and whom other parts ask.

Guarantees that a table which carries some keeps them until every part has said, after a start, whom
it asks; and that a blob which cannot be stored takes none away. No policy waits for it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pointsman.api import table
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.tables import StoredTable, short, write_blob
from pointsman.operator.errors import ReconcileError
from pointsman.operator.plan.blobs import Backends, compile_pins
from pointsman.operator.plan.evaluating.judges import asked_of

JUDGES: Final = "judges"
"""The part that calls `judged_by`."""
log = logging.getLogger("pointsman.pins")


class Pins:
    """`parts` are those that will say whom they ask; `on_change` follows when one says so."""

    def __init__(self, parts: Iterable[str] = (), on_change: Callable[[], None] = lambda: None):
        self._silent = set(parts)
        self._asked: dict[str, frozenset[str]] = {}
        self._judges: Mapping[str, str] = {}
        self._on_change = on_change

    def ask(self, part: str, backends: Iterable[str]) -> None:
        """This part asks these from now on, and no others."""
        names = frozenset(backends)
        if part in self._silent or self._asked.get(part, frozenset()) != names:
            self._silent.discard(part)
            self._asked[part] = names
            self._on_change()

    def judged_by(self, judges: Mapping[str, str]) -> None:
        """By suite, the model of its judge: evaluations of backends ask it as well."""
        if JUDGES in self._silent or self._judges != judges:
            self._silent.discard(JUDGES)
            self._judges = judges
            self._on_change()

    async def stored(self, api: Api, release: str, stored: StoredTable, backends: Backends) -> str:
        """What the manifest shall say of them; its blob is there."""
        before = stored.manifest.pins if stored.manifest else ""
        if self._silent and before:
            return before
        asked = asked_of(backends, self._judges).union(*self._asked.values())
        try:
            blob = compile_pins(api.namespace, backends, asked)
            if blob is None:
                return ""
            digest = table.digest(blob)
            if short(digest) not in stored.blobs:
                await write_blob(api, release, digest, blob)
        except (table.TableError, ReconcileError) as error:
            log.warning("pins not stored", extra={"error": str(error)})
            return before
        return digest
