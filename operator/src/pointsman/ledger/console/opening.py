"""The console where somebody can be let in by a browser; its libraries are loaded only then."""

from typing import TYPE_CHECKING

from pointsman.ledger.console.desk import Desk

if TYPE_CHECKING:
    from pointsman.ledger.console.serving import Console


class NoConsole(Exception):
    """It is asked for, and what it needs is not installed."""


def console_of(desk: Desk) -> "Console | None":
    """None: no identity source is set that a browser could come with. Raises NoConsole."""
    if not desk.people.settings.has_pages:
        return None
    try:
        from pointsman.ledger.console.serving import Console  # noqa: PLC0415
    except ImportError as error:
        raise NoConsole(f"the console needs pointsman[console] ({error})") from None
    return Console(desk)
