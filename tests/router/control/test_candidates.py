"""A candidate beside the revision in force: taken, given its part, kept, or refused alone."""

from pathlib import Path

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from pointsman.api import table
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Store
from pointsman.router.control.switch import InForce, Switch
from tests.router.control.objects import NAMESPACE, by_digest, entry, manifest, policy

STABLE, CANDIDATE = policy(revision="r1"), policy(revision="r2")


def with_candidate(
    percent: int, blob: bytes = CANDIDATE, revision: str = "r2"
) -> table.PolicyEntry:
    trial = table.Candidate(revision=revision, blob=table.digest(blob), weight_percent=percent)
    return replace(entry(STABLE), candidate=trial)


def switch_at(percent: int = 5) -> Switch:
    switch = Switch(NAMESPACE)
    switch.offer(manifest(1, with_candidate(percent)), by_digest(STABLE, CANDIDATE))
    return switch


def test_a_table_without_candidates_has_the_bytes_that_it_had_before() -> None:
    """No router sees another table because a newer operator can do more."""
    assert b"candidate" not in table.encode(manifest(1, entry(STABLE)))


def test_a_router_that_knows_no_candidates_runs_the_stable_one() -> None:
    """What it does not know it does not read; so nothing of it is verified."""
    assert b"candidate" in table.encode(manifest(1, with_candidate(5)))
    old = table.decode_event(b'{"type":"Ack","acks":[{"policy":"p","revision":"r","blob":"b"}]}')
    assert (old.acks[0].candidate, old.acks[0].weight_percent) == ("", 0)


def test_both_arms_are_in_force_and_acknowledged() -> None:
    """With the part that the manifest says."""
    switch = Switch(NAMESPACE)
    outcome = switch.offer(manifest(1, with_candidate(5)), by_digest(STABLE, CANDIDATE))
    assert outcome.table is not None
    canary = outcome.table.canaries["support"]
    (ack,) = outcome.acks

    assert (canary.policy.revision, canary.weight_percent) == ("r2", 5)
    assert [one.revision for one in outcome.table.policies] == ["r1", "r2"]
    assert outcome.table.by_model["support-auto"].revision == "r1"
    assert (ack.blob, ack.candidate) == (table.digest(STABLE), table.digest(CANDIDATE))
    assert ack.weight_percent == 5


def test_a_candidate_whose_blob_is_not_here_gets_nothing_yet() -> None:
    """The stable one goes on; the blob is asked for."""
    switch, wanted = Switch(NAMESPACE), manifest(1, with_candidate(5))
    assert switch.wanted(wanted) == {table.digest(STABLE), table.digest(CANDIDATE)}
    (ack,) = switch.offer(wanted, by_digest(STABLE)).acks
    assert (ack.blob, ack.candidate, ack.candidate_error) == (table.digest(STABLE), "", "")
    (ack,) = switch.offer(wanted, by_digest(CANDIDATE)).acks
    assert ack.candidate == table.digest(CANDIDATE)


def test_a_candidate_that_cannot_be_used_is_refused_alone() -> None:
    """The stable one is not touched by it."""
    bad = policy(revision="r2", default="nobody")
    switch = Switch(NAMESPACE)
    (ack,) = switch.offer(manifest(1, with_candidate(5, bad)), by_digest(STABLE, bad)).acks

    assert (ack.blob, ack.error, ack.candidate) == (table.digest(STABLE), "", "")
    assert "nobody" in ack.candidate_error


def test_damaged_bytes_are_no_candidate() -> None:
    """They hash to something else."""
    switch = Switch(NAMESPACE)
    blobs = {**by_digest(STABLE), table.digest(CANDIDATE): b"{}"}
    (ack,) = switch.offer(manifest(1, with_candidate(5)), blobs).acks

    assert ack.candidate == ""
    assert "damaged" in ack.candidate_error


def test_another_part_needs_no_blob_again() -> None:
    """A step is a change of one number."""
    switch, wanted = switch_at(5), manifest(2, with_candidate(25))
    assert switch.wanted(wanted) == frozenset()
    outcome = switch.offer(wanted, {})

    assert outcome.table is not None
    assert outcome.table.canaries["support"].weight_percent == 25
    assert outcome.acks[0].weight_percent == 25


def test_promotion_and_rollback_need_no_blob_either() -> None:
    """Both are a re-point of the manifest."""
    promoted = manifest(2, entry(CANDIDATE, revision="r2"))
    assert switch_at().wanted(promoted) == frozenset()
    switch = switch_at()
    (ack,) = switch.offer(promoted, {}).acks
    assert (ack.revision, ack.candidate, switch.candidates) == ("r2", "", {})
    switch = switch_at()
    (ack,) = switch.offer(manifest(2, entry(STABLE)), {}).acks
    assert (ack.revision, ack.candidate, switch.candidates) == ("r1", "", {})


def test_a_restarted_router_goes_on_with_both(tmp_path: Path) -> None:
    """From its disk, with everything else down."""
    stored = switch_at(25).in_force()
    assert stored is not None
    back = _through_disk(tmp_path, stored)
    assert back == stored
    switch = Switch(NAMESPACE)
    outcome = switch.restore(back)

    assert outcome.table is not None
    assert outcome.table.canaries["support"].weight_percent == 25
    assert outcome.acks == switch_at(25).acks


def _through_disk(folder: Path, stored: InForce) -> InForce:
    metrics = ControlMetrics(CollectorRegistry())
    made = [Store(state=folder, keys=None, identity="demo", metrics=metrics) for _ in range(2)]
    made[0].save_table(stored)
    assert made[0].flush(5.0)
    back = made[1].load_table()
    assert back is not None
    return back
