"""However deep an object nests: what is read of it ends, and the others beside it are whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.depth import DEEPEST, cut, flat
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.depth import loads
from pointsman.operator.cluster.kinds import MODEL_BACKEND
from pointsman.operator.settings import Settings
from tests.operator.objects import NAMESPACE, backend
from tests.support.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def nested(levels: int, *, first: str = "", last: str = "") -> str:
    """Objects in objects; each has `first` before and `last` after the next one."""
    return f'{{{first}"a":' * levels + "1" + f"{last}}}" * levels


@given(VALUES)
def test_what_is_not_deep_stays_as_it_is(value: Any) -> None:
    """Also brackets and quotes in texts."""
    text = json.dumps(value, ensure_ascii=False).encode()

    assert flat(text) == text
    assert cut(value) == value


@pytest.mark.slow
@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1, 900, 1500, 9990])
@pytest.mark.parametrize("beside", ["", '"b":[{"]}":"\\"{["},{}]'])
def test_what_is_deep_ends(levels: int, beside: str) -> None:
    """With null, in both ways of cutting; what stands beside it on the way stays."""
    first, last = (f"{beside},", f",{beside.replace('b', 'c', 1)}") if beside else ("", "")
    text = f'{{"items":[{nested(levels, first=first, last=last)},{{"name":"other"}}]}}'
    found = json.loads(flat(text.encode()))

    deep, other = found["items"]
    assert other == {"name": "other"}
    for _ in range(min(levels, DEEPEST - 2) - 1):
        deep = deep["a"]
    assert deep["a"] == (None if levels > DEEPEST - 2 else 1)
    assert loads(text)["items"][1] == other
    if levels <= 900:
        assert cut(json.loads(text)) == found


@pytest.mark.parametrize("levels", [900, 1500, 9990])
async def test_one_deep_backend_keeps_no_list_from_being_read(levels: int, tmp_path: Path) -> None:
    """The other one is whole; the deep one has its name and no depth."""
    deep = json.dumps(backend("deep", deployment={"podTemplate": "HERE"}))
    items = f"{deep.replace(json.dumps('HERE'), nested(levels))},{json.dumps(backend('other'))}"
    about = '"kind": "ModelBackendList", "metadata": {"resourceVersion": "1"}'
    body = f'{{{about}, "items": [{items}]}}'
    async with FakeApi() as server:
        file = write_kubeconfig(tmp_path, server.url)
        api = await Api.open(Settings(namespace=NAMESPACE, kubeconfig=file))
        server.before = (200, body.encode())
        try:
            found, other = await api.list_all(MODEL_BACKEND)
        finally:
            await api.close()

    assert other == backend("other")
    assert found["metadata"]["name"] == "deep"
    assert found == cut(found, DEEPEST + 3)
