"""What scaling reads from pods: who is ready, and how long a cold start takes."""

from typing import Any

import pytest

from pointsman.operator.plan.pods import ColdStarts, ReadyPod, measured, ready_pods


def pod(name: str = "p", *, ready_at: str = "", started: bool = False, **meta: Any) -> Any:
    """Created at 00:00:00; `ready_at` is the minute and second of its Ready."""
    condition = (
        {"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T00:{ready_at}Z"}
        if ready_at
        else {"type": "Ready", "status": "False"}
    )
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **meta,
        },
        "status": {
            "podIP": "10.0.0.1",
            "conditions": [condition],
            "containerStatuses": [{"started": started or bool(ready_at), "restartCount": 0}],
        },
    }


def test_a_pod_counts_while_it_is_ready_and_stays() -> None:
    """Who leaves ends what it has, and is sent nothing."""
    leaving = pod("b", ready_at="00:05", deletionTimestamp="2026-01-01T00:01:00Z")

    assert ready_pods([pod("a", ready_at="00:05"), leaving, pod("c"), {"metadata": {}}]) == [
        ReadyPod("a", "uid-a", "10.0.0.1")
    ]


def test_a_cold_start_is_measured_once() -> None:
    """From the pod's creation to the first time that it was ready; the median of the last five."""
    known = measured(ColdStarts(), [pod("a"), pod("b")])
    assert known.median_s is None
    known = measured(known, [pod("a", ready_at="00:40"), pod("b")])
    known = measured(known, [pod("a", ready_at="00:40"), pod("b", ready_at="01:00")])
    assert known.median_s == 50
    for number in range(5):
        known = measured(known, [pod(f"c{number}")])
        known = measured(known, [pod(f"c{number}", ready_at="00:09")])
    assert known.seconds == (9, 9, 9, 9, 9)


@pytest.mark.parametrize("before", [pod("a", started=True), pod("a", ready_at="00:40")])
def test_a_pod_that_comes_back_after_a_fault_is_no_cold_start(before: Any) -> None:
    """Its Ready is days after its creation: who took that for a cold start would order for days."""
    known = measured(ColdStarts(before=33.0), [before])

    assert measured(known, [pod("a", ready_at="59:00")]).median_s == 33


def test_more_than_the_probes_allow_is_no_cold_start() -> None:
    """An hour, as the startup probes have it."""
    known = measured(ColdStarts(), [pod("a")])
    late = pod("a", ready_at="00:01")
    late["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T01:00:01Z"

    assert measured(known, [late]).median_s is None
