"""Which blobs may go."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.cluster.tables import StoredTable, collectable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HASHES = st.sets(st.sampled_from([c * 12 for c in "abcdef"]))


def blob(short: str, age_s: float) -> dict[str, Any]:
    created = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": f"r-table-{short}", "uid": short, "creationTimestamp": created}}


@given(stored=HASHES, needed=HASHES, recent=HASHES, old=st.booleans())
def test_only_what_nobody_can_need_goes(
    stored: set[str], needed: set[str], recent: set[str], old: bool
) -> None:
    """Unreferenced, not of the last manifests, run by no router, and older than ten minutes."""
    table = StoredTable(
        item=None,
        manifest=None,
        history=(tuple(recent),),
        blobs={short: blob(short, 601 if old else 599) for short in stored},
    )
    gone = collectable(table, needed=[h + "0" * 52 for h in needed], now=NOW, min_age_s=600)

    assert {item["metadata"]["uid"] for item in gone} == (
        stored - needed - recent if old else set()
    )
