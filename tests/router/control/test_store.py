"""Last-known-good on disk: what comes back is what was in force, or nothing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pointsman.api.table import Endpoint
from pointsman.router.control.credentials import SecretFacts
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.slots import Slots, UnusableError, seal, unseal
from pointsman.router.control.store import Store
from pointsman.router.control.switch import InForce, Switch
from pointsman.router.control.writer import Writer
from tests.router.control.objects import NAMESPACE, by_digest, entry, manifest, policy

IDENTITY = "demo/pointsman"
CANARY = b"sk-canary-1f7a"


def _store(folder: Path, identity: str = IDENTITY, retry_s: float = 10.0) -> Store:
    metrics = ControlMetrics(CollectorRegistry())
    return Store(
        state=folder / "state",
        keys=folder / "keys",
        identity=identity,
        metrics=metrics,
        writer=Writer(metrics, retry_s=retry_s),
    )


def _in_force(revision: str = "r1") -> InForce:
    blob = policy(revision=revision)
    switch = Switch(NAMESPACE)
    stored = switch.offer(
        manifest(int(revision[1:]), entry(blob, revision=revision)), by_digest(blob)
    ).in_force
    assert stored is not None
    return stored


@given(body=st.binary(max_size=200), data=st.data())
def test_a_changed_byte_or_a_missing_end_is_refused(body: bytes, data: st.DataObject) -> None:
    """Wherever the file is torn, and whichever bit flips."""
    whole = seal(IDENTITY, 7, body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8

    assert unseal(IDENTITY, whole) == (7, body)
    for damaged in (whole[:cut], bytes(flipped), whole + b"x", b""):
        with pytest.raises(UnusableError):
            unseal(IDENTITY, damaged)


def test_an_empty_body_without_its_line_end_is_refused() -> None:
    """The last byte of the file is the header's line end: without it the end is missing."""
    whole = seal(IDENTITY, 7, b"")

    assert unseal(IDENTITY, whole) == (7, b"")
    with pytest.raises(UnusableError):
        unseal(IDENTITY, whole[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"2", b"3", 1)),
        lambda path: path.write_bytes(b"\x7fELF\x02\x01\x01"),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(seal("other/release", 99, b"{}")),
    ],
    ids=["empty", "truncated", "changed", "foreign", "symlink", "folder", "other release"],
)
def test_the_previous_generation_is_used(tmp_path: Path, damage: object) -> None:
    """When the newest cannot be."""
    slots = Slots(tmp_path, "table", IDENTITY)
    slots.save(b"first")
    slots.save(b"second")
    assert callable(damage)
    damage(tmp_path / "table.1")

    loaded = Slots(tmp_path, "table", IDENTITY).load()

    assert loaded.body == b"first"
    assert [text.partition(":")[0] for text in loaded.refused] == ["table.1"]


def test_a_save_after_damage_replaces_the_damaged_slot(tmp_path: Path) -> None:
    """The generation that is still whole is not put at risk."""
    slots = Slots(tmp_path, "table", IDENTITY)
    slots.save(b"first")
    slots.save(b"second")
    (tmp_path / "table.1").write_bytes(b"")
    again = Slots(tmp_path, "table", IDENTITY)
    again.load()

    again.save(b"third")

    assert (tmp_path / "table.0").read_bytes().endswith(b"first")
    assert Slots(tmp_path, "table", IDENTITY).load().body == b"third"


def test_a_crash_in_mid_write_leaves_the_newest(tmp_path: Path) -> None:
    """What a dead process left half-written is never read."""
    Slots(tmp_path, "table", IDENTITY).save(b"first")
    (tmp_path / ".table.1.tmp").write_bytes(seal(IDENTITY, 9, b"half")[:-2])

    assert Slots(tmp_path, "table", IDENTITY).load().body == b"first"


def test_table_endpoints_and_keys_come_back(tmp_path: Path) -> None:
    """Byte for byte, in another process."""
    before = _store(tmp_path)
    table = _in_force()
    endpoints = {"demo/small:8000": (Endpoint(host="10.0.0.1", port=8000),)}
    secrets = {"provider": SecretFacts(True, ("api.example.com",), {"api-key": CANARY})}
    before.save_table(table)
    before.save_endpoints(endpoints)
    before.save_secrets(secrets)
    assert before.flush(10)

    after = _store(tmp_path)

    assert after.load_table() == table
    assert after.load_endpoints() == endpoints
    assert after.load_secrets() == secrets


def test_the_state_of_another_release_is_refused(tmp_path: Path) -> None:
    """A volume that was used by another router must not decide what we serve."""
    before = _store(tmp_path, "demo/other")
    before.save_table(_in_force())
    assert before.flush(10)

    after = _store(tmp_path)

    assert after.load_table() is None
    assert "demo/other" in after.problems["table"]


def test_keys_lie_apart_and_only_the_router_may_read_them(tmp_path: Path) -> None:
    """A folder of 0700, files of 0600, and no key among the other state."""
    store = _store(tmp_path)
    store.save_table(_in_force())
    store.save_secrets({"provider": SecretFacts(True, (), {"api-key": CANARY})})
    assert store.flush(10)

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "keys" / "private").iterdir()}
    assert ((tmp_path / "keys" / "private").stat().st_mode & 0o777, modes) == (0o700, {0o600})
    state = b"".join(path.read_bytes() for path in (tmp_path / "state" / "state").iterdir())
    assert CANARY not in state


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    """Whoever opened them is not trusted with more."""
    store = _store(tmp_path)
    store.save_secrets({"provider": SecretFacts(True, (), {"api-key": CANARY})})
    assert store.flush(10)
    for path in (tmp_path / "keys" / "private").iterdir():
        path.chmod(0o644)

    opened = _store(tmp_path)

    assert opened.load_secrets() == {}
    assert "others than the router may read it" in opened.problems["keys"]


def test_a_keys_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """Then keys live in memory only."""
    (tmp_path / "keys" / "private").mkdir(parents=True)
    (tmp_path / "keys" / "private").chmod(0o755)

    store = _store(tmp_path)
    store.save_secrets({"provider": SecretFacts(True, (), {"api-key": CANARY})})

    assert store.flush(10)
    assert list((tmp_path / "keys" / "private").iterdir()) == []
    assert "open to others" in store.problems["keys"]


def test_a_withdrawn_key_is_in_no_generation(tmp_path: Path) -> None:
    """Damage to the newest file must not bring it back."""
    store = _store(tmp_path)
    store.save_secrets({"provider": SecretFacts(True, (), {"api-key": CANARY})})
    assert store.flush(10)
    store.save_secrets({})
    assert store.flush(10)

    left = [path.read_bytes() for path in (tmp_path / "keys" / "private").iterdir()]
    assert len(left) == 2
    assert all(b"provider" not in data for data in left)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Files cannot grow beyond one byte: the nearest to a full disk that needs no mount."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_and_the_last_generation_stays(tmp_path: Path) -> None:
    """And as soon as there is room, the newest is written without another change."""
    store = _store(tmp_path, retry_s=0.01)
    store.save_table(_in_force("r1"))
    assert store.flush(10)
    with _full_disk():
        store.save_table(_in_force("r2"))
        assert store.flush(10)
        said = store.problems
        kept = _store(tmp_path).load_table()

    assert said == {"table": "File too large"}
    assert kept == _in_force("r1")
    store.save_endpoints({})
    assert store.flush(10)
    assert store.problems == {}
    assert _store(tmp_path).load_table() == _in_force("r2")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """The router serves all the same; nothing is stored."""
    (tmp_path / "state").write_text("a file")

    store = _store(tmp_path)
    store.save_table(_in_force())

    assert store.flush(10)
    assert store.problems["table"]
    assert store.load_table() is None
