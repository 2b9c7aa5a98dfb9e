"""What the operator counts; label values are from closed sets.

The exception are names of backends that it scales, evaluates or that drifted; they go with those.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

RECONCILES = Counter(
    "pointsman_operator_reconciles",
    "Reconciles by controller and outcome.",
    ("controller", "outcome"),
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "pointsman_operator_reconcile_seconds",
    "Time of one reconcile.",
    ("controller",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
API_SECONDS = Histogram(
    "pointsman_operator_api_request_seconds",
    "Time of one request to the API server.",
    ("verb", "kind"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
API_ERRORS = Counter(
    "pointsman_operator_api_errors",
    "Failed requests to the API server by meaning.",
    ("verb", "kind", "reason"),
    registry=REGISTRY,
)
WRITES = Counter(
    "pointsman_operator_writes", "Objects written.", ("kind", "what"), registry=REGISTRY
)
WATCH_RESTARTS = Counter(
    "pointsman_operator_watch_restarts",
    "How often all watches were begun anew after an error, by its class.",
    ("reason",),
    registry=REGISTRY,
)
ROUTERS = Gauge(
    "pointsman_operator_routers", "Router pods by what is known of them.", ("state",),
    registry=REGISTRY,
)  # fmt: skip
ROUTER_FAULTS = Counter(
    "pointsman_operator_router_faults", "Broken admin streams by reason.", ("reason",),
    registry=REGISTRY,
)  # fmt: skip
LEADING = Gauge("pointsman_operator_leading", "1 while this process leads.", registry=REGISTRY)
CRDS_TOO_OLD = Gauge(
    "pointsman_operator_crds_too_old",
    "1 for each kind whose CRD is not there or lacks fields that this operator knows.", ("kind",),
    registry=REGISTRY,
)  # fmt: skip
SERIAL = Gauge("pointsman_operator_table_serial", "Serial of the manifest.", registry=REGISTRY)
POLICIES = Gauge(
    "pointsman_operator_policies", "Policies by whether their spec is accepted.", ("accepted",),
    registry=REGISTRY,
)  # fmt: skip
QUEUE_DEPTH = Gauge(
    "pointsman_operator_queue_depth",
    "Requests that wait or run, of each backend with scaling mode QueueDepth; absent without data.",
    ("backend",),
    registry=REGISTRY,
)
DESIRED_REPLICAS = Gauge(
    "pointsman_operator_desired_replicas",
    "Replicas that the last decision asks for, of each backend with scaling mode QueueDepth.",
    ("backend",),
    registry=REGISTRY,
)
SCALINGS = Counter(
    "pointsman_operator_scalings", "Changes of replicas by reason.", ("reason",), registry=REGISTRY
)
ENGINE_FAULTS = Counter(
    "pointsman_operator_engine_faults", "Model servers' metrics not read, by reason.", ("reason",),
    registry=REGISTRY,
)  # fmt: skip
EVALUATIONS = Counter(
    "pointsman_operator_evaluations", "Runs of golden prompts by how they ended.",
    ("backend", "ended"), registry=REGISTRY,
)  # fmt: skip
QUALITY = Gauge(
    "pointsman_operator_quality",
    "Mean score of the last whole run of golden prompts, by task, `all` among them.",
    ("backend", "task"),
    registry=REGISTRY,
)
RUNS_NOT_TAKEN = Counter(
    "pointsman_operator_runs_not_taken",
    "Runs of golden prompts that a part which learns from them could not take, by a bug.",
    registry=REGISTRY,
)
ROLLOUTS = Gauge(
    "pointsman_operator_rollouts", "Rollouts by phase; those that ended until the next edit.",
    ("phase",), registry=REGISTRY,
)  # fmt: skip
SHADOW_PAIRS = Counter(
    "pointsman_operator_shadow_pairs", "Pairs of answers of shadows, by how the candidate's was.",
    ("verdict",), registry=REGISTRY,
)  # fmt: skip
ROLLOUT_STEPS = Counter(
    "pointsman_operator_rollout_steps", "What became of rollouts, by the reason of its Event.",
    ("reason",), registry=REGISTRY,
)  # fmt: skip
DRIFTED_POLICIES = Gauge(
    "pointsman_operator_drifted_policies",
    "Policies with spec.drift by the reason of their condition DriftDetected.", ("reason",),
    registry=REGISTRY,
)  # fmt: skip
REEVALUATIONS = Counter(
    "pointsman_operator_reevaluations",
    "Revisions that re-evaluation made, by cause; Refused: by tests or a rollout.", ("reason",),
    registry=REGISTRY,
)  # fmt: skip
APPROVAL_ENDS = Gauge(
    "pointsman_operator_approval_ends_timestamp_seconds",
    "When the approval of a backend ends, in Unix time; absent for those without one.",
    ("backend",),
    registry=REGISTRY,
)
DRIFTED = Gauge(
    "pointsman_operator_drifted",
    "1 for each task (or all) of a backend of which the answers are not what they were, by "
    "direction: Worse, Better or IdentityChanged; absent otherwise.",
    ("backend", "task", "direction"),
    registry=REGISTRY,
)
DRIFT_STATES_LOST = Counter(
    "pointsman_operator_drift_states_lost",
    "What was known of a backend's drift and could not be read; it began anew.",
    registry=REGISTRY,
)
