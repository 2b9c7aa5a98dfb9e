"""What the operator writes into `status`: the schema of each kind's status subresource.

Everything is optional, so that a status can grow from empty and an older operator's stays valid.
Lengths are what `metav1.Condition` and Kubernetes names allow: a status is never refused for size.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pointsman.api.v1alpha1.drawing import DrawStatus
from pointsman.api.v1alpha1.drift import DriftStatus
from pointsman.api.v1alpha1.evaluation import EvaluationStatus, TaskQuality
from pointsman.api.v1alpha1.learned_status import LearnedStatus
from pointsman.api.v1alpha1.rollout_status import RolloutStatus
from pointsman.api.v1alpha1.sizes import Count, Generation, Message, Name, Percent
from pointsman.api.validation import ApiModel


class StoredCondition(ApiModel):
    """One condition, as in metav1.Condition."""

    type: str = Field(max_length=316, description="What the condition is about, such as Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    observed_generation: Generation | None = Field(
        default=None, description="Generation of the object for which this was decided."
    )
    last_transition_time: str = Field(
        description="When status last changed.", json_schema_extra={"format": "date-time"}
    )
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="One word for why it is so.",
    )
    message: Message = Field(description="What happened, in a sentence for people.")


class LastFailure(ApiModel):
    """Why a model server does not start or keeps failing."""

    pod: Name | None = Field(default=None, description="Pod that failed.")
    container: Name | None = Field(default=None, description="Container that failed.")
    reason: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Kubernetes' word for it, such as ImagePullBackOff."
    )
    message: Message | None = Field(default=None, description="What Kubernetes says about it.")


class Scaled(ApiModel):
    """One change of the replicas by the operator, and why."""

    time: str | None = Field(
        default=None,
        description="When it was decided.",
        json_schema_extra={"format": "date-time"},
    )
    reason: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="LoadRose, LoadFell, Panic (the last 6 s want twice what is ready), Backlog, "
        "Woken, Idle, PreScale (a policy is about to send more), or Bounds (minReplicas, "
        "maxReplicas or a schedule).",
    )
    observed: Count | None = Field(
        default=None, description="Requests that waited or ran; absent if nobody could tell."
    )
    previous: Count | None = Field(default=None, description="Replicas before.")
    desired: Count | None = Field(default=None, description="Replicas from then on.")
    clamped_by: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="What kept desired from what the load asks for: Min, Max, Schedule, PreScale, "
        "Tolerance, Delay, Rate, Behavior, Restart, Panic, Unconfirmed or NoData; absent if "
        "nothing did.",
    )
    message: Message | None = Field(default=None, description="The decision in numbers.")


class ModelBackendStatus(ApiModel):
    """Observed state of a model and its servers."""

    observed_generation: Generation | None = Field(
        default=None, description="Generation of the object that this status describes."
    )
    replicas: Count | None = Field(
        default=None, description="Pods of the deployment; the scale subresource's path."
    )
    ready_replicas: Count | None = Field(
        default=None, description="Model servers that can answer now."
    )
    selector: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None,
        description="Label selector of the pods, as text; the scale subresource's path.",
    )
    endpoint: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None,
        description="Where requests go: the Service's DNS name and port, or the URL's host.",
    )
    last_failure: LastFailure | None = Field(
        default=None,
        description="Why a model server does not start; absent when none fails. At zero replicas "
        "what kept the last one from starting, until the next starts or the spec changes.",
    )
    queue_depth: Count | None = Field(
        default=None,
        description="Requests that wait or run, rounded down to 0, 1, 2, 5, 10, 20, 50, ... and "
        "written at most each 15 s; only with scaling mode QueueDepth.",
    )
    last_scale: Scaled | None = Field(
        default=None, description="The last change of the replicas by the operator."
    )
    scaling_history: list[Scaled] | None = Field(
        default=None, max_length=5, description="The last five changes, newest first."
    )
    cold_start_seconds: Count | None = Field(
        default=None,
        description="From a pod's creation until it was ready: the median of those that the "
        "operator saw.",
    )
    scaling_memory: Annotated[str, Field(max_length=65536)] | None = Field(
        default=None,
        description="What the operator needs to go on after a restart; not for people, and "
        "without a promise about its form.",
    )
    drift: list[DriftStatus] | None = Field(
        default=None,
        max_length=16,
        description="Tasks of which the answers are not what they were; docs/drift.md.",
    )
    evaluation: EvaluationStatus | None = Field(
        default=None, description="The last run of golden prompts; only with spec.evaluation."
    )
    quality: list[TaskQuality] | None = Field(
        default=None, max_length=16, description="How good it is, by task, by its last whole run."
    )
    conditions: list[StoredCondition] | None = Field(
        default=None,
        max_length=16,
        description="Ready, Available, Progressing, ScalingActive, Vetted, Drifted, Evaluated; "
        "Degraded, Reconciling and Stalled only while true.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "drift": {"x-kubernetes-list-type": "atomic"},
        "quality": {"x-kubernetes-list-type": "atomic"},
        "scaling_history": {"x-kubernetes-list-type": "atomic"},
        "conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    }


class Laggard(ApiModel):
    """A router that does not run the active revision."""

    pod: Name | None = Field(default=None, description="Pod of the router.")
    revision: Name | None = Field(default=None, description="Revision that it runs instead.")
    error: Message | None = Field(default=None, description="Why it refused the active one.")


class RouterStatus(ApiModel):
    """Which routers run the active revision, by their own word."""

    summary: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Programmed and all routers, such as 3/3."
    )
    programmed: Count | None = Field(
        default=None, description="Routers that acknowledged the active revision."
    )
    total: Count | None = Field(default=None, description="Routers of the release.")
    laggards: list[Laggard] | None = Field(
        default=None, max_length=16, description="Routers that do not run it; at most 16."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "laggards": {"x-kubernetes-list-type": "atomic"},
    }


class ShiftedWeight(ApiModel):
    """One backend's part of a rule's requests, in percent."""

    rule: Name | None = Field(default=None, description="Name of the rule, or default.")
    backend: Name | None = Field(default=None, description="The ModelBackend.")
    desired: Percent | None = Field(default=None, description="Its part by the spec.")
    in_force: Percent | None = Field(default=None, description="Its part now.")


class ShiftStatus(ApiModel):
    """Weights on their way to those of the active revision."""

    percent: Percent | None = Field(
        default=None,
        description="How much of the way is in force; it grows as replicas of the receiving "
        "backends become ready.",
    )
    start_time: str | None = Field(
        default=None, description="When it began.", json_schema_extra={"format": "date-time"}
    )
    weights: list[ShiftedWeight] | None = Field(
        default=None, max_length=64, description="Who gets how much; at most 64."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "weights": {"x-kubernetes-list-type": "atomic"},
    }


class BudgetStatus(ApiModel):
    """What is used of a budget in its window that is now."""

    name: Name | None = Field(default=None, description="Name of the budget.")
    subject: Name | None = Field(
        default=None, description="The rule, caller or team whose it is; absent for the policy's."
    )
    start_time: str | None = Field(
        default=None,
        description="When the window began.",
        json_schema_extra={"format": "date-time"},
    )
    used: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="By all routers, rounded down to a percent of the budget, such as 120.00 USD "
        "or 5000 tokens.",
    )
    percent: Count | None = Field(default=None, description="Of the budget; over 100 in Shadow.")


class LearnedBackend(ApiModel):
    """What a predictor knows of one candidate."""

    name: Name | None = Field(default=None, description="The ModelBackend.")
    samples: Count | None = Field(
        default=None,
        description="Ratings and failures that count; 0 while there are fewer than minSamples in "
        "each task.",
    )
    prior: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Where what is thought of it without any rating comes from."
    )


class PredictorStatus(ApiModel):
    """What the policy's predictor has learned."""

    mode: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="As in the spec: Observe or Apply."
    )
    samples: Count | None = Field(
        default=None, description="Ratings and failures that count, of all candidates."
    )
    last_fit_time: str | None = Field(
        default=None,
        description="When the weights were fitted last; absent while only what is published "
        "counts.",
        json_schema_extra={"format": "date-time"},
    )
    backends: list[LearnedBackend] | None = Field(
        default=None, max_length=16, description="The candidates."
    )
    message: Message | None = Field(
        default=None, description="Why it does not learn; absent while it does."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "backends": {"x-kubernetes-list-type": "atomic"},
    }


class RoutingPolicyStatus(ApiModel):
    """Observed state of a policy and the routers that run it."""

    observed_generation: Generation | None = Field(
        default=None, description="Generation of the object that this status describes."
    )
    active_revision: Name | None = Field(
        default=None, description="Revision that the routers are told to run."
    )
    candidate_revision: Name | None = Field(
        default=None, description="Revision that gets a part of the conversations meanwhile."
    )
    rollout: RolloutStatus | None = Field(
        default=None, description="How the spec takes over; absent where it did so at once."
    )
    routers: RouterStatus | None = Field(
        default=None, description="Which routers run the active revision."
    )
    shift: ShiftStatus | None = Field(
        default=None,
        description="How far the weights of the active revision are in force; absent when they "
        "all are.",
    )
    budgets: list[BudgetStatus] | None = Field(
        default=None,
        max_length=16,
        description="What is used of the budgets, the fullest first; at most 16.",
    )
    predictor: PredictorStatus | None = Field(
        default=None, description="What the predictor has learned; absent where there is none."
    )
    learned: LearnedStatus | None = Field(
        default=None, description="What a re-evaluation changed; absent where it changed nothing."
    )
    conditions: list[StoredCondition] | None = Field(
        default=None,
        max_length=16,
        description="Ready, Accepted, ResolvedRefs, TestsPassed, Programmed, Progressing; with "
        "governance Vetted; with a rollout AwaitingApproval, Promoted and RolledBack; with drift "
        "DriftDetected; Reconciling and Stalled only while true.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "budgets": {"x-kubernetes-list-type": "atomic"},
        "conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    }


class EvaluationSuiteStatus(ApiModel):
    """Observed state of a suite."""

    observed_generation: Generation | None = Field(
        default=None, description="Generation of the object that this status describes."
    )
    prompts: Count | None = Field(
        default=None, description="Prompts of a suite that is ready, with those of its ConfigMap."
    )
    content_hash: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Of prompts and checks, as `pointsman evaluate` writes it into its results: "
        "only results of one hash can be compared.",
    )
    draw: DrawStatus | None = Field(
        default=None, description="With spec.ledger: the draw in force; no text is in it."
    )
    conditions: list[StoredCondition] | None = Field(
        default=None,
        max_length=16,
        description="Ready, Accepted, ResolvedRefs; Reconciling and Stalled only while true.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    }
