"""The operator's series: labels of closed sets, and names of backends that it looks after."""

from pointsman.operator.metrics import QUEUE_DEPTH, REGISTRY
from tests.operator.scaled import World, metric

CLOSED = {
    "controller", "outcome", "verb", "kind", "reason", "what", "state", "accepted", "le",
    "phase", "ended", "task", "direction", "verdict",
}  # fmt: skip
NAMED = {
    "pointsman_operator_queue_depth", "pointsman_operator_desired_replicas",
    "pointsman_operator_evaluations", "pointsman_operator_quality", "pointsman_operator_drifted",
}  # fmt: skip
"""Of backends that it scales, asks golden prompts, or watches for drift; they go when those go."""


def test_only_backends_that_are_looked_after_have_a_name_in_a_label() -> None:
    """Everything else is a word of ours."""
    QUEUE_DEPTH.labels("somebody").set(1)
    try:
        found = {
            (metric.name, label)
            for metric in REGISTRY.collect()
            for sample in metric.samples
            for label in sample.labels.keys() - CLOSED
        }
    finally:
        QUEUE_DEPTH.remove("somebody")
    assert found <= {(name, "backend") for name in NAMED}
    assert ("pointsman_operator_queue_depth", "backend") in found


async def test_a_backend_that_goes_takes_its_series_along() -> None:
    """Two each, while it is scaled."""
    world = World()
    await world.reconcile()
    await world.pass_time(4)
    assert metric("desired_replicas") is not None
    del world.api.stored["ModelBackend", "a"]
    await world.controller.reconcile("a")
    assert (metric("desired_replicas"), metric("queue_depth")) == (None, None)
