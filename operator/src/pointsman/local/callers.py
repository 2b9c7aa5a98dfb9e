"""Who may call in local mode: the callers of the files' Secrets, or everybody on this machine.

| state | what is so                               | left by                            |
|-------|------------------------------------------|------------------------------------|
| Open  | no Secret has the label of callers       | a Secret with it appears           |
| Keys  | who shows a key of the Secrets is let in | never: deleted Secrets let in nobody |

Refuses to begin Open where other machines can reach it, unless somebody chose that.
"""

from collections.abc import Mapping
from typing import Any

from pointsman.api.names import LABEL_CALLERS
from pointsman.local.desired import metadata_of, secret_data, texts
from pointsman.process.address import Address
from pointsman.router.callers import OPEN, OPEN_HERE
from pointsman.router.control.callers import CallerFeed, read_secret
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.live import Live

_LABEL = f'the label {LABEL_CALLERS}: "true"'


class NotOpen(Exception):
    """It is not clear whether everybody may call; the text says what to do."""


class LocalCallers:
    """`begin` once before listening, then `follow` at every change of the files."""

    def __init__(self, live: Live, metrics: ControlMetrics) -> None:
        self._live = live
        self._feed = CallerFeed(live, metrics, names=())

    def begin(self, secrets: Mapping[str, dict[str, Any]], host: str, *, chosen_open: bool) -> None:
        """Raises NotOpen."""
        labeled = _labeled(secrets)
        if labeled and chosen_open:
            raise NotOpen(f"--open, but Secret {labeled[0]} has {_LABEL}: choose one")
        if not labeled:
            if not chosen_open and not Address(host, 0).is_loopback:
                raise NotOpen(
                    f"{host} may be reached by others: add a Secret with {_LABEL} "
                    "(pointsman key create), or let everybody in with --open"
                )
            self._live.callers = OPEN if chosen_open else OPEN_HERE
        self.follow(secrets)

    def follow(self, secrets: Mapping[str, dict[str, Any]]) -> dict[str, str]:
        """Put in force; what is so, by subject."""
        labeled = _labeled(secrets)
        if self._live.callers.open and not labeled:
            return {"callers": f"open to everybody: no Secret has {_LABEL}"}
        self._feed.names = labeled
        found = {
            name: read_secret(
                name, texts(metadata_of(secrets[name]).get("labels")), secret_data(secrets[name])
            )
            for name in labeled
        }
        problems = self._feed.read(found, {})
        said = {f"caller {p.subject}": f"{p.reason}: {p.text}" for p in problems}
        return {"callers": f"{len(self._live.callers.everyone)} with keys", **said}


def _labeled(secrets: Mapping[str, dict[str, Any]]) -> tuple[str, ...]:
    return tuple(
        name
        for name, secret in secrets.items()
        if texts(metadata_of(secret).get("labels")).get(LABEL_CALLERS) == "true"
    )
