"""The one place that knows both stores. psycopg is imported only where it is used."""

from pointsman.ledger.contract import LOOKUPS, QUESTIONS, REVIEWERS, Store, StoreUnfit
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.settings import Settings
from pointsman.ledger.stores.sqlite import SqliteStore


def make(settings: Settings) -> Store:
    """The chosen store, not opened."""
    keep_events_ms = int(settings.keep_events_days * DAY_MS)
    if settings.db is None:
        try:
            from pointsman.ledger.stores.postgres import PostgresStore  # noqa: PLC0415
        except ImportError as error:
            raise StoreUnfit(
                f"--postgres needs psycopg: install pointsman[postgres] ({error})"
            ) from None
        return PostgresStore(
            settings.postgres,
            keep_events_ms=keep_events_ms,
            timeout_s=settings.store_timeout_s,
            connections=QUESTIONS + LOOKUPS + REVIEWERS + 4,  # writers, upkeep
        )
    return SqliteStore(
        settings.db,
        keep_events_ms=keep_events_ms,
        timeout_s=settings.store_timeout_s,
        max_bytes=int(settings.db_max_gib * 1024**3),
    )
