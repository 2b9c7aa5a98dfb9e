"""All rows, in the order in which they are played; docs/reliability.md tells of the same ones."""

from typing import Final

from tests.faults.table.row import Row

_MATRIX: Final = "tests/faults/test_matrix.py::test_a_fault_heals_and_nobody_noticed"
_HERE: Final = "tests/faults/table"
_SUITES: Final = "tests/operator/test_evaluating_on_bench.py"
_SCALING: Final = "tests/operator/test_scaling_on_bench.py"


def _both(fault: str) -> tuple[str, ...]:
    """A row of the matrix, for operator and routers at once."""
    return (f"{_MATRIX}[both: {fault}]",)


ROWS: Final = (
    Row(
        "watch-silence",
        "A connection to the API server that goes silent without an end is noticed: edits "
        "made meanwhile are in force 90 s after the way is well again.",
        _both("silence"),
    ),
    Row(
        "watch-410",
        "When the API server says that it has forgotten where a watch was, nothing is missed,"
        " not even a deletion.",
        _both("410 in the stream"),
    ),
    Row(
        "watch-500",
        "An error in the middle of a watch ends neither operator nor router, and leaves none "
        "alive without a watch.",
        _both("500 in the stream"),
    ),
    Row(
        "api-403",
        "Rights that are gone for a moment cost nothing: no object is taken for deleted, and "
        "all goes on by itself.",
        _both("403"),
    ),
    Row(
        "api-slow",
        "A slow API server slows edits down, and no request of a caller.",
        _both("slow"),
    ),
    Row(
        "lost-answers",
        "A write whose answer is lost is not done twice and not forgotten.",
        _both("answers of writes lost"),
    ),
    Row(
        "api-server-restart",
        "While the API server is down and when it comes back, no request fails; then edits "
        "are in force within 90 s.",
        (f"{_HERE}/rows_plane.py::test_the_api_server_restarts",),
    ),
    Row(
        "etcd-restart",
        "The same holds when the API server's store is killed and comes back.",
        (f"{_HERE}/rows_plane.py::test_etcd_restarts",),
    ),
    Row(
        "conflicting-writers",
        "Whoever else writes the fields of our objects, or a status, does not get them, and "
        "no fight goes on when he stops.",
        (f"{_HERE}/rows_plane.py::test_somebody_else_writes_the_same_fields",),
    ),
    Row(
        "frozen-leader",
        "An operator that is frozen past its Lease and thawed again writes nothing any more: "
        "another one leads.",
        (f"{_HERE}/rows_plane.py::test_a_frozen_leader_writes_nothing_when_it_thaws",),
    ),
    Row(
        "rotated-authority",
        "When the authority of the API server's certificate is rotated, operator and routers "
        "follow without a restart.",
        (
            f"{_HERE}/rows_plane.py::test_the_api_servers_authority_is_rotated",
            "tests/faults/test_trust.py",
        ),
    ),
    Row(
        "clock-steps",
        "Clocks of operators and routers that step an hour forward or back cost no request, "
        "no Lease and no edit.",
        (f"{_HERE}/rows_clock.py::test_clocks_step",),
    ),
    Row(
        "dns-of-the-api-server",
        "When the API server's name cannot be resolved, callers notice nothing; edits come "
        "into force when it can.",
        (f"{_HERE}/rows_names.py::test_the_api_servers_name_is_not_resolved",),
    ),
    Row(
        "dns-of-a-provider",
        "When a provider's name cannot be resolved, requests go to the policy's next backend,"
        " and back when it can.",
        (f"{_HERE}/rows_names.py::test_a_providers_name_is_not_resolved",),
    ),
    Row(
        "rotated-provider-authority",
        "A provider's new authority is trusted as soon as the backend's caBundle names it, "
        "without a restart.",
        (f"{_HERE}/rows_names.py::test_a_providers_authority_is_rotated",),
    ),
    Row(
        "disk-full-table",
        "A router whose disk is full goes on with new tables, says so, and keeps the newest "
        "when there is room again.",
        (f"{_HERE}/rows_disk.py::test_a_full_disk_keeps_no_router_from_new_tables",),
    ),
    Row(
        "disk-full-events",
        "A router whose disk for events is full answers on; what it cannot keep it drops and "
        "counts.",
        (f"{_HERE}/rows_disk.py::test_a_full_disk_loses_events_aloud_and_no_request",),
    ),
    Row(
        "disk-full-ledger",
        "A ledger whose disk is full refuses events, which routers keep; when there is room "
        "all of them come in once.",
        ("tests/ledger/test_faults.py::test_a_full_disk_takes_no_events_and_loses_none",),
    ),
    Row(
        "everything-else-down",
        "A router that restarts while API server, etcd and operators are down serves its last"
        " table from disk, with providers' keys.",
        (
            "tests/e2e/test_3_outage.py::test_routers_outlive_the_control_plane_and_their_own_restart",
        ),
    ),
    Row(
        "killed-operator",
        "Wherever an operator is killed while objects come, change and go, the end is the "
        "same, and nothing is left over.",
        ("tests/operator/test_on_bench.py::test_wherever_it_dies_it_ends_in_the_same_state",),
    ),
    Row(
        "killed-in-a-rollout",
        "Wherever an operator is killed in a rollout, each weight is in force once, and the "
        "end is the same.",
        ("tests/faults/test_rollout.py",),
    ),
    Row(
        "killed-in-a-drift-story",
        "Wherever an operator is killed between a drift and the promotion of what was "
        "learned, the end is the same.",
        ("tests/faults/test_cycle.py",),
    ),
    Row(
        "killed-in-a-suite",
        "An operator that is killed while a suite runs counts no run twice and passes no cost cap.",
        (f"{_SUITES}::test_an_operator_that_is_killed_in_the_middle_runs_no_number_twice",),
    ),
    Row(
        "killed-at-scale",
        "An operator that is killed while it scales takes no replica away that load may need.",
        (f"{_SCALING}::test_an_operator_that_is_killed_at_scale_takes_nothing_away",),
    ),
    Row(
        "drained-node",
        "When a node is drained, routers and model servers move as their disruption budgets "
        "allow, and no request fails.",
        (f"{_HERE}/rows_drained.py::test_a_node_is_drained",),
    ),
)
