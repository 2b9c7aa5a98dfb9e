"""A kubeconfig that leads nowhere is said to, and the caller's file stays as it was."""

from pathlib import Path

import pytest
import yaml

from tests.e2e.anywhere import VARIABLE, Anywhere, NoCluster, given


def kubeconfig(folder: Path) -> Path:
    """Two contexts; the current one is of a port where nobody listens."""
    path = folder / "kubeconfig"
    clusters = [
        {"name": name, "cluster": {"server": f"https://127.0.0.1:{port}"}}
        for name, port in (("here", 1), ("elsewhere", 2))
    ]
    contexts = [
        {"name": name, "context": {"cluster": name, "user": "me"}} for name in ("here", "elsewhere")
    ]
    users = [{"name": "me", "user": {"token": "t"}}]
    whole = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
    path.write_text(
        yaml.safe_dump({**whole, "clusters": clusters, "contexts": contexts, "users": users})
    )
    return path


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the name of the variable, since that is what the caller set."""
    with pytest.raises(NoCluster, match=f"{VARIABLE}: no file"):
        Anywhere(tmp_path / "nothing")


@pytest.mark.local
def test_a_cluster_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    """In kubectl's own words; nothing is written to the caller's file, and the copy is removed."""
    path = kubeconfig(tmp_path)
    before = path.read_bytes()
    cluster = Anywhere(path)

    with pytest.raises(NoCluster, match=r"127\.0\.0\.1:1"):
        cluster.__enter__()

    assert path.read_bytes() == before
    assert not cluster.dir.exists()


def test_only_the_variable_asks_for_another_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG alone does not: whoever runs all tests means the bench."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "mine"))
    assert given() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "theirs"))
    assert given() == tmp_path / "theirs"
