"""Who shows the fleet, by the settings of the ledger."""

from pathlib import Path

from pointsman.ledger.console.fleet.files import FilesFleet
from pointsman.ledger.console.fleet.seen import Fleet, NoFleet
from pointsman.ledger.settings import Settings


def fleet_of(settings: Settings) -> Fleet:
    """Nothing is asked before it runs."""
    if settings.fleet == "cluster":
        # A ledger that shows no cluster does not hold Kubernetes' client in memory.
        from pointsman.ledger.console.fleet.cluster import ClusterFleet  # noqa: PLC0415

        return ClusterFleet(
            settings.fleet_namespace, settings.fleet_kubeconfig, writable=settings.fleet_write
        )
    return FilesFleet(Path(settings.fleet)) if settings.fleet else NoFleet()
