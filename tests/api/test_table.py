"""The RoutingTable's encoding: deterministic, strict, and safe against damage."""

import contextlib
import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.api.table import (
    Backend,
    ExternalAddress,
    Fallback,
    HeaderMatch,
    Manifest,
    Match,
    PolicyBlob,
    PolicyEntry,
    Route,
    ServiceAddress,
    TableError,
    Target,
)

words = st.text(min_size=1, max_size=12)
targets = st.builds(Target, backend=words, weight=st.integers(0, 1_000_000))
matches = st.builds(
    Match,
    tasks=st.lists(words, max_size=2).map(tuple),
    min_tokens=st.none() | st.integers(0, 10**8),
    headers=st.lists(st.builds(HeaderMatch, name=words, value=words), max_size=2).map(tuple),
    metadata=st.dictionaries(words, words, max_size=3),
)
routes = st.builds(
    Route,
    name=words,
    targets=st.lists(targets, min_size=1, max_size=3).map(tuple),
    match=st.none() | matches,
    fallback=st.none() | st.builds(Fallback, chain=st.lists(words, min_size=1).map(tuple)),
)
addresses = st.one_of(
    st.builds(ServiceAddress, namespace=words, service=words, port=st.integers(1, 65535)),
    st.builds(ExternalAddress, url=words),
)
backends = st.builds(Backend, name=words, model=words, address=addresses)
blobs = st.builds(
    PolicyBlob,
    namespace=words,
    name=words,
    revision=words,
    model_names=st.lists(words, max_size=3).map(tuple),
    routes=st.lists(routes, max_size=3).map(tuple),
    backends=st.dictionaries(words, backends, max_size=3),
    version=st.just(table.TABLE_VERSION),
)
manifests = st.builds(
    Manifest,
    namespace=words,
    epoch=st.integers(0, 2**53),
    serial=st.integers(0, 2**53),
    policies=st.lists(st.builds(PolicyEntry, name=words, revision=words, blob=words)).map(tuple),
    version=st.just(table.TABLE_VERSION),
)


@given(blobs)
@pytest.mark.slow
def test_a_blob_survives_its_journey(blob: PolicyBlob) -> None:
    """Encode, pack, unpack, decode: the same value, and the same hash every time."""
    data = table.encode(blob)
    packed = table.pack(data)
    assert table.pack(table.encode(blob)) == packed
    assert table.decode_blob(table.unpack(packed, table.digest(data))) == blob


@given(manifests)
@pytest.mark.slow
def test_a_manifest_survives_its_journey(manifest: Manifest) -> None:
    """Encode, decode: the same value."""
    assert table.decode_manifest(table.encode(manifest)) == manifest


@given(st.dictionaries(words, backends, min_size=2, max_size=4))
@pytest.mark.slow
def test_equal_blobs_have_equal_bytes(content: dict[str, Backend]) -> None:
    """The order in which a mapping was filled does not reach the hash."""

    def blob(mapping: dict[str, Backend]) -> PolicyBlob:
        return PolicyBlob(
            namespace="n", name="p", revision="r", model_names=(), routes=(), backends=mapping
        )

    other = dict(reversed(content.items()))
    assert table.encode(blob(content)) == table.encode(blob(other))


@given(st.binary(max_size=300), st.data())
def test_a_damaged_blob_is_refused(data: bytes, draw: st.DataObject) -> None:
    """One changed byte, a cut, or plain garbage: TableError, never another exception."""
    packed = bytearray(table.pack(data))
    place = draw.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(TableError):  # a changed bit of gzip's header may mean nothing
        assert table.unpack(bytes(packed), table.digest(data)) == data
    with pytest.raises(TableError):
        table.unpack(bytes(packed[:-9]), table.digest(data))
    with pytest.raises(TableError):
        table.unpack(data, table.digest(data + b"x"))


def test_another_content_is_refused() -> None:
    """A blob is what its hash says, or nothing."""
    with pytest.raises(TableError, match="hashes to"):
        table.unpack(table.pack(b"one"), table.digest(b"two"))


def test_a_bomb_is_refused() -> None:
    """Zeros pack well; what they unpack to is bounded."""
    bomb = gzip.compress(bytes(table.MAX_BLOB_DECODED_BYTES + 1))
    with pytest.raises(TableError, match="unpacks to more"):
        table.unpack(bomb, table.digest(b""))


@pytest.mark.slow
def test_what_does_not_fit_a_configmap_is_refused() -> None:
    """The limit is on the packed bytes."""
    data = b"".join(table.digest(str(i).encode()).encode() for i in range(60_000))
    with pytest.raises(TableError, match=re.escape(f"{table.MAX_BLOB_BYTES:,} allowed")):
        table.pack(data)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1}', b"\xff"])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    """Every decoder has one exception."""
    for decode in (table.decode_blob, table.decode_manifest, table.decode_event):
        with pytest.raises(TableError):
            decode(data)


def test_another_version_is_refused() -> None:
    """A router does not guess what a newer table means."""
    manifest = Manifest(namespace="n", epoch=1, serial=1, policies=(), version=2)
    with pytest.raises(TableError, match="version 2, known is 1"):
        table.decode_manifest(table.encode(manifest))
    blob = PolicyBlob(
        namespace="n", name="p", revision="r", model_names=(), routes=(), backends={}, version=2
    )
    with pytest.raises(TableError, match="version 2, known is 1"):
        table.decode_blob(table.encode(blob))


def _with_parameter(**values: str) -> bytes:
    backend: dict[str, object] = {
        "name": "a",
        "model": "m",
        "address": {"type": "external", "url": "https://a"},
    }
    backend["profile"] = {"parameters": [{"name": "temperature", **values}]}
    blob = {"namespace": "n", "name": "p", "revision": "r", "model_names": [], "routes": [],
            "backends": {"a": backend}}  # fmt: skip
    return json.dumps(blob).encode()


def test_a_profile_travels_and_costs_nothing_where_there_is_none() -> None:
    """Blobs of backends without one keep their bytes, and so their hashes."""
    blob = table.decode_blob(_with_parameter(default='"warm"', max="1.5"))
    assert table.decode_blob(table.encode(blob)) == blob
    address = ExternalAddress(url="https://a")
    assert b"profile" not in table.encode(Backend(name="a", model="m", address=address))


@pytest.mark.parametrize(
    "values", [{"default": "warm"}, {"max": "x"}, {"min": '"1"'}, {"max": "[1]"}]
)
def test_a_profile_that_would_break_bodies_is_refused(values: dict[str, str]) -> None:
    """With its policy, so that the one in force stays."""
    with pytest.raises(TableError):
        table.decode_blob(_with_parameter(**values))
