"""Which blobs may go, and how many policies one object holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.operator.cluster.tables import StoredTable, collectable
from pointsman.operator.plan.rollout import Phase, Rollout
from pointsman.operator.plan.rollout.record import Record, dump_rollouts, essence

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
    stored_table = StoredTable(
        item=None,
        manifest=None,
        history=(tuple(recent),),
        blobs={short: blob(short, 601 if old else 599) for short in stored},
    )
    gone = collectable(stored_table, needed=[h + "0" * 52 for h in needed], now=NOW, min_age_s=600)

    assert {item["metadata"]["uid"] for item in gone} == (
        stored - needed - recent if old else set()
    )


def test_an_object_holds_2500_policies_that_were_rolled_out() -> None:
    """As docs/scale.md has it: beyond 1 MiB of data nothing would be stored any more."""
    names = [f"desk-{number:04}" for number in range(2_500)]
    entries = tuple(
        table.PolicyEntry(
            name=name, revision=f"{name}-0123456789", blob=64 * "a", model_names=("auto-1234",)
        )
        for name in names
    )
    manifest = table.Manifest(namespace="models", epoch=1, serial=1, policies=entries)
    rollout = Rollout(
        stable="desk-0000-0123456789", candidate="desk-0000-abcdef0123",
        began_s=1_800_000_000.123456, phase=Phase.PROMOTED, reason="AnalysisPassed", step=3,
        message="after 123 requests in it",
    )  # fmt: skip
    records = {name: Record(uid=36 * "a", rollout=essence(rollout)) for name in names}
    assert len(table.encode(manifest)) + len(dump_rollouts(records)) <= 2**20
