"""Which table is in force, however manifests and blobs arrive."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.api import table
from pointsman.api.table import Ack, Match
from pointsman.router.control.switch import Switch, Verdict
from tests.router.control.objects import NAMESPACE, by_digest, entry, manifest, policy


def _switch(serial: int = 1, *blobs: bytes) -> Switch:
    switch = Switch(NAMESPACE)
    switch.offer(manifest(serial, *(_entry(blob) for blob in blobs)), by_digest(*blobs))
    return switch


def _entry(blob: bytes) -> table.PolicyEntry:
    decoded = table.decode_blob(blob)
    return entry(blob, decoded.name, decoded.revision)


def test_a_complete_manifest_is_put_in_force() -> None:
    """Every policy runs its blob, and the acks say so."""
    blob = policy()
    switch = Switch(NAMESPACE)

    outcome = switch.offer(manifest(1, entry(blob)), by_digest(blob))

    assert outcome.verdict is Verdict.SWITCHED
    assert outcome.table is not None
    assert list(outcome.table.by_model) == ["support-auto"]
    assert outcome.acks == (Ack(policy="support", revision="r1", blob=table.digest(blob)),)


def test_an_older_manifest_changes_nothing() -> None:
    """Neither an older serial nor an older epoch, however high its serial."""
    old, new = policy(revision="r1"), policy(revision="r2")
    switch = _switch(5, new)

    outcome = switch.offer(manifest(99, _entry(old), epoch=0), by_digest(old))

    assert outcome.verdict is Verdict.OLDER
    assert switch.offer(manifest(4, _entry(old)), by_digest(old)).verdict is Verdict.OLDER
    assert switch.running == {"support": table.digest(new)}


def test_another_manifest_of_the_same_serial_is_refused() -> None:
    """The operator never writes two; a person's edit must not split the routers."""
    first, second = policy(revision="r1"), policy(revision="r2")
    switch = _switch(5, first)

    assert switch.offer(manifest(5, _entry(second)), by_digest(second)).verdict is (
        Verdict.CONFLICTING
    )


def test_the_same_manifest_again_is_no_switch() -> None:
    """Resyncs offer it every few minutes; nothing is compiled, nothing is stored."""
    blob = policy()
    switch = _switch(1, blob)

    outcome = switch.offer(manifest(1, entry(blob)), {})

    assert (outcome.verdict, outcome.table, outcome.in_force) == (Verdict.UNCHANGED, None, None)


def test_a_missing_blob_waits_and_keeps_what_runs() -> None:
    """It is no error: the blob may be on its way."""
    old, new = policy(revision="r1"), policy(revision="r2")
    switch = _switch(1, old)

    waiting = switch.offer(manifest(2, _entry(new)), {})
    arrived = switch.offer(manifest(2, _entry(new)), by_digest(new))

    assert waiting.acks == (Ack(policy="support", revision="r1", blob=table.digest(old)),)
    assert arrived.acks == (Ack(policy="support", revision="r2", blob=table.digest(new)),)


def test_a_bad_policy_is_refused_alone() -> None:
    """It keeps what it has; its neighbor moves on."""
    old, neighbor = policy(revision="r1"), policy("neighbor")
    bad = policy(revision="r2", default="nobody")
    switch = _switch(1, old)

    outcome = switch.offer(manifest(2, _entry(bad), _entry(neighbor)), by_digest(bad, neighbor))

    assert switch.running == {"support": table.digest(old), "neighbor": table.digest(neighbor)}
    refused, taken = outcome.acks
    assert (refused.blob, refused.refused_blob) == (table.digest(old), table.digest(bad))
    assert "nobody" in refused.error
    assert taken.error == ""


def test_a_policy_whose_expression_does_not_compile_is_refused_alone() -> None:
    """The ack says which, and why: an operator of another version may allow more."""
    old, neighbor = policy(revision="r1"), policy("neighbor")
    decoded = table.decode_blob(policy(revision="r2"))
    (default,) = decoded.routes
    rule = structs.replace(default, name="one", matches=(Match(expression="request.tsk == 'a'"),))
    bad = table.encode(structs.replace(decoded, routes=(rule, default)))
    switch = _switch(1, old)

    outcome = switch.offer(manifest(2, _entry(bad), _entry(neighbor)), by_digest(bad, neighbor))

    assert switch.running == {"support": table.digest(old), "neighbor": table.digest(neighbor)}
    assert "expression \"request.tsk == 'a'\": column 8: undeclared" in outcome.acks[0].error


def test_a_refused_blob_stays_refused_after_it_is_gone() -> None:
    """Otherwise the operator would see its error vanish."""
    bad = policy(default="nobody")
    switch = _switch(1, bad)

    (ack,) = switch.offer(manifest(2, _entry(bad)), {}).acks

    assert ack.refused_blob == table.digest(bad)


def test_damaged_bytes_are_refused_until_the_right_ones_come() -> None:
    """A hash mismatch is a fact about the bytes, not about the digest."""
    blob = policy()
    switch = Switch(NAMESPACE)

    (damaged,) = switch.offer(manifest(1, entry(blob)), {table.digest(blob): b"{}"}).acks
    (mended,) = switch.offer(manifest(1, entry(blob)), by_digest(blob)).acks

    assert "is damaged" in damaged.error
    assert mended == Ack(policy="support", revision="r1", blob=table.digest(blob))


def test_a_blob_of_another_policy_or_namespace_is_refused() -> None:
    """A manifest that points at the wrong blob must not mix two policies."""
    other, foreign = policy("other"), policy(namespace="elsewhere")
    switch = Switch(NAMESPACE)

    (first,) = switch.offer(manifest(1, entry(other)), by_digest(other)).acks
    (second,) = switch.offer(manifest(2, entry(foreign)), by_digest(foreign)).acks

    assert "is policy demo/other" in first.error
    assert "is policy elsewhere/support" in second.error


def test_a_deeply_nested_blob_is_refused_alone() -> None:
    """The decoder's recursion limit must not stop the others."""
    bomb = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    good = policy("good")
    switch = Switch(NAMESPACE)

    outcome = switch.offer(
        manifest(1, entry(bomb, "bomb"), entry(good, "good")), by_digest(bomb, good)
    )

    assert [bool(ack.error) for ack in outcome.acks] == [True, False]


def test_a_policy_that_is_no_longer_named_is_dropped() -> None:
    """The manifest is the whole state."""
    switch = _switch(1, policy("a"), policy("b"))

    switch.offer(manifest(2, _entry(policy("b"))), {})

    assert list(switch.running) == ["b"]


def test_a_manifest_for_another_namespace_or_with_doubles_is_refused() -> None:
    """Nothing of it is taken."""
    blob = policy()
    switch = Switch("elsewhere")

    assert switch.offer(manifest(1), {}).verdict is Verdict.FOREIGN
    double = Switch(NAMESPACE).offer(manifest(1, entry(blob), entry(blob)), by_digest(blob))
    assert double.verdict is Verdict.MALFORMED


def test_what_was_in_force_comes_back_as_it_was() -> None:
    """Also a policy that ran an older blob than the manifest wants."""
    old, new = policy(revision="r1"), policy(revision="r2")
    before = _switch(1, old)
    stored = before.offer(manifest(2, _entry(new)), {}).in_force
    assert stored is not None

    after = Switch(NAMESPACE)
    after.restore(stored)

    assert (after.position, after.running, after.acks) == (
        before.position,
        before.running,
        before.acks,
    )


@dataclass(frozen=True)
class _Version:
    """One manifest of a history: policy name -> revision; odd revisions are invalid."""

    epoch: int
    serial: int
    revisions: dict[str, int]

    def blobs(self) -> dict[str, bytes]:
        return {name: _blob(name, revision) for name, revision in self.revisions.items()}

    def manifest(self) -> table.Manifest:
        entries = tuple(_entry(blob) for blob in self.blobs().values())
        return manifest(self.serial, *entries, epoch=self.epoch)


def _blob(name: str, revision: int) -> bytes:
    return policy(name, f"r{revision}", default="nobody" if revision % 2 else "")


_names = st.sampled_from(["a", "b", "c"])
_histories = st.lists(
    st.tuples(st.booleans(), st.dictionaries(_names, st.integers(0, 5), max_size=3)),
    min_size=1,
    max_size=6,
)


def _versions(history: list[tuple[bool, dict[str, int]]]) -> list[_Version]:
    """Epochs and serials as leaders number them."""
    found: list[_Version] = []
    epoch, serial = 1, 0
    for takeover, revisions in history:
        epoch, serial = (epoch + 1, 1) if takeover else (epoch, serial + 1)
        found.append(_Version(epoch, serial, revisions))
    return found


@given(history=_histories, data=st.data())
@pytest.mark.slow
def test_the_table_never_goes_back_never_mixes_and_converges(
    history: list[tuple[bool, dict[str, int]]], data: st.DataObject
) -> None:
    """However manifests and blobs arrive: in any order, twice, damaged or not at all."""
    versions = _versions(history)
    switch = Switch(NAMESPACE)
    position = (0, 0)
    for number in data.draw(st.lists(st.integers(0, len(versions) - 1), max_size=12)):
        version = versions[number]
        state = st.sampled_from(["there", "missing", "damaged"])
        blobs = {
            table.digest(blob): b"{}" if how == "damaged" else blob
            for blob in version.blobs().values()
            if (how := data.draw(state)) != "missing"
        }
        held = switch.running
        outcome = switch.offer(version.manifest(), blobs)

        assert switch.position is not None
        assert switch.position >= position
        assert outcome.verdict.accepted == ((version.epoch, version.serial) >= position)
        position = switch.position
        if outcome.verdict.accepted:
            _check_step(version, blobs, held, switch)

    newest = versions[-1]
    switch.offer(newest.manifest(), by_digest(*newest.blobs().values()))
    valid = {n: table.digest(_blob(n, r)) for n, r in newest.revisions.items() if r % 2 == 0}
    assert {n: d for n, d in switch.running.items() if n in valid} == valid


def _check_step(
    version: _Version, blobs: dict[str, bytes], held: dict[str, str], switch: Switch
) -> None:
    """Each policy runs the wanted blob if it could be had, and what it had before if not."""
    for ack in switch.acks:
        wanted = table.digest(_blob(ack.policy, version.revisions[ack.policy]))
        usable = (
            version.revisions[ack.policy] % 2 == 0
            and table.digest(blobs.get(wanted, b"")) == wanted
        )
        assert ack.blob == (
            wanted if usable or held.get(ack.policy) == wanted else (held.get(ack.policy, ""))
        )
        assert (ack.refused_blob == wanted) == bool(ack.error)
        assert switch.running.get(ack.policy, "") == ack.blob
    assert set(switch.running) <= set(version.revisions)
