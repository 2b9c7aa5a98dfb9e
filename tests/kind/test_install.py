"""What `install` leaves of a fleet that does not come up, on a cluster that only writes down."""

from pathlib import Path

import pytest

from tests.bench import Cluster, CommandFailed
from tests.e2e.fleet import install

pytestmark = pytest.mark.slow


class Late(Cluster):
    """Takes everything; no Deployment of it is ever available."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder
        self.told: list[str] = []

    @property
    def helm_command(self) -> list[str]:
        return ["helm"]

    def run(self, *command: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        del input, check
        self.told.append(" ".join(one for one in command if not one.startswith("--cache-dir")))
        if "wait" in command and "deployment" in command:
            raise CommandFailed("timed out waiting")
        return '{"items": []}'


def test_a_fleet_that_does_not_come_up_leaves_no_namespace(tmp_path: Path) -> None:
    """It would be there for whoever runs the tests next; why it did not is told before it goes."""
    cluster = Late(tmp_path)
    with pytest.raises(CommandFailed, match="timed out waiting"):
        install(cluster, "desk")

    assert cluster.told[0] == "kubectl create -f -"
    assert cluster.told[-1] == "kubectl delete namespace desk --timeout=60s"
    assert "get pods,mb,rp" in "\n".join(cluster.told)
