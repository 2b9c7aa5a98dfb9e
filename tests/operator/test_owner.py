"""What the operator writes for its release belongs to a ConfigMap of the chart's."""

import pytest

from pointsman.operator.cluster.kinds import CONFIG_MAP, LEASE, SERVICE
from pointsman.operator.cluster.lease import Elector
from pointsman.operator.cluster.owner import look_up, own
from pointsman.operator.cluster.tables import blob_name, manifest_name, read_table, write_blob
from pointsman.operator.errors import Waiting
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE

RELEASE = "desk"
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "desk-owner"}}
DIGEST = "ab" * 32


def _uids(api: FakeApi, kind: str, name: str) -> list[str]:
    references = api.stored[kind, name]["metadata"].get("ownerReferences", ())
    return [one["uid"] for one in references]


async def test_table_and_lease_have_the_owner() -> None:
    """From the first writing on; a Service has not, it is a backend's."""
    api = FakeApi()
    api.put(OWNER)
    await own(api, RELEASE)
    await write_blob(api, RELEASE, DIGEST, b"{}")
    await Elector(api, Settings(namespace=NAMESPACE, release=RELEASE, identity="me")).step()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    await api.create(SERVICE, service)

    uid = api.stored["ConfigMap", "desk-owner"]["metadata"]["uid"]
    assert _uids(api, "ConfigMap", blob_name(RELEASE, DIGEST)) == [uid]
    assert _uids(api, "Lease", "desk-operator") == [uid]
    assert _uids(api, "Service", "x") == []


async def test_what_has_an_owner_keeps_it() -> None:
    """A suite's drawn prompts and a backend's memory of drift are not the release's."""
    api = FakeApi()
    api.put(OWNER)
    await look_up(api, RELEASE)
    theirs = [{"uid": "theirs"}]
    note = {"kind": "ConfigMap", "metadata": {"name": "n", "ownerReferences": theirs}}
    await api.create(CONFIG_MAP, note)

    assert _uids(api, "ConfigMap", "n") == ["theirs"]


async def test_what_an_older_operator_wrote_is_adopted() -> None:
    """Blobs are written once, so nothing else would ever give them one; other releases' stay."""
    api = FakeApi()
    await write_blob(api, RELEASE, DIGEST, b"{}")
    await write_blob(api, "other", DIGEST, b"{}")
    assert _uids(api, "ConfigMap", blob_name(RELEASE, DIGEST)) == []
    api.put(OWNER)
    await own(api, RELEASE)

    assert len(_uids(api, "ConfigMap", blob_name(RELEASE, DIGEST))) == 1
    assert _uids(api, "ConfigMap", blob_name("other", DIGEST)) == []
    assert (await read_table(api, RELEASE)).blobs.keys() == {DIGEST[:12]}


async def test_without_the_charts_config_map_nothing_has_an_owner() -> None:
    """An older chart: as before, and said."""
    api = FakeApi()
    await own(api, RELEASE)
    await write_blob(api, RELEASE, DIGEST, b"{}")

    assert api.owners == []
    assert _uids(api, "ConfigMap", blob_name(RELEASE, DIGEST)) == []


async def test_an_owner_that_was_replaced_is_found_again() -> None:
    """The Lease went with the old one; the next belongs to the new one, or would go at once."""
    api = FakeApi()
    api.put(OWNER)
    await own(api, RELEASE)
    api.stored.clear()
    api.put(OWNER, {**OWNER, "metadata": {"name": manifest_name("else")}})
    await Elector(api, Settings(namespace=NAMESPACE, release=RELEASE, identity="me")).step()

    uid = api.stored["ConfigMap", "desk-owner"]["metadata"]["uid"]
    assert _uids(api, "Lease", "desk-operator") == [uid]


async def test_nothing_is_written_before_the_owner_could_be_looked_for() -> None:
    """An API server that is late is asked again."""
    tries = iter([1, 2, 3])

    def hook(what: str, _: object) -> None:
        if what == "get" and next(tries) < 3:
            raise Waiting("not yet")

    api = FakeApi(hook)
    api.put(OWNER)
    await own(api, RELEASE)

    assert len(api.owners) == 1


async def test_an_owner_on_its_way_out_still_takes_what_is_written() -> None:
    """The garbage collector comes for it a little later; without an owner it would stay."""
    api = FakeApi()
    leaving = {"name": "desk-owner", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    api.put({**OWNER, "metadata": leaving})
    await look_up(api, RELEASE)

    assert len(api.owners) == 1


@pytest.mark.parametrize("kind", [CONFIG_MAP, LEASE])
async def test_a_replace_keeps_the_owner(kind: object) -> None:
    """The Lease is written anew every two seconds."""
    api = FakeApi()
    api.put(OWNER)
    await look_up(api, RELEASE)
    body = {"kind": kind.name, "metadata": {"name": "x"}}  # type: ignore[attr-defined]
    made = await api.create(kind, body)  # type: ignore[arg-type]
    again = {
        **body,
        "metadata": {"name": "x", "resourceVersion": made["metadata"]["resourceVersion"]},
    }
    await api.replace(kind, again)  # type: ignore[arg-type]

    assert len(_uids(api, kind.name, "x")) == 1  # type: ignore[attr-defined]
