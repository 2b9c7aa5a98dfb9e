"""Makes what knows people, from settings."""

import time
from collections.abc import Callable

from pointsman.ledger.people.identity import People, Turned
from pointsman.ledger.people.sessions import sealing
from pointsman.ledger.people.settings import PeopleSettings
from pointsman.ledger.people.tokens import Tokens


def people_of(
    settings: PeopleSettings,
    turned: Callable[[Turned], None],
    clock_s: Callable[[], float] = time.time,
) -> People:
    """Reads the files that settings name. BadPeople says which one cannot be used."""
    return People(
        settings=settings,
        sealing=sealing(settings.session_key_file, int(settings.session_hours * 3600)),
        clock_s=clock_s,
        turned=turned,
        tokens=Tokens(settings.people_file) if settings.people_file else None,
    )
