"""The one place that knows both stores. psycopg is imported only where it is used."""

from pointsman.ledger.contract import Store
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.settings import Settings
from pointsman.ledger.stores.sqlite import SqliteStore


def make(settings: Settings) -> Store:
    """The chosen store, not opened."""
    keep_events_ms = int(settings.keep_events_days * DAY_MS)
    assert settings.db is not None
    return SqliteStore(
        settings.db,
        keep_events_ms=keep_events_ms,
        timeout_s=settings.store_timeout_s,
        max_bytes=int(settings.db_max_gib * 1024**3),
    )
