"""A policy controller over an API server in memory; every status that it writes is looked at."""

from pointsman.api.v1alpha1.status import RoutingPolicyStatus
from pointsman.api.validation import parse
from pointsman.operator.controllers.policies import PolicyController
from tests.operator.fake_api import FakeApi
from tests.support.conditions import assert_well_formed, unexplained


async def reconcile_twice(controller: PolicyController, api: FakeApi) -> None:
    """Twice: routers answer what is written first."""
    for _ in range(2):
        await controller.reconcile()
        item = api.stored["RoutingPolicy", "desk"]
        assert_well_formed(item["status"], generation=item["metadata"]["generation"])
        assert unexplained("RoutingPolicy", item["status"]) == []
        parse(RoutingPolicyStatus, item["status"])
