"""ModelBackend: one model that can answer, and where it runs.

Exactly one of `deployment` (Pointsman runs it), `service` (it already runs in this namespace) and
`external` (it runs elsewhere, behind verified TLS). What is left out, the family's preset fills.
"""

import re
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from pointsman.api.v1alpha1.activation import Activation, Queue
from pointsman.api.v1alpha1.cost import Cost
from pointsman.api.v1alpha1.deployment import Deployment
from pointsman.api.v1alpha1.drift import Drift
from pointsman.api.v1alpha1.evaluation import Evaluation
from pointsman.api.v1alpha1.external import External
from pointsman.api.v1alpha1.governance import Governance
from pointsman.api.v1alpha1.meta import ObjectMeta
from pointsman.api.v1alpha1.promptprofile import PromptProfile
from pointsman.api.v1alpha1.scaling import Scaling, ScalingMode
from pointsman.api.validation import ApiModel, ObjectName, Rule


class Family(StrEnum):
    """Model families with a preset, and Other."""

    QWEN = "Qwen"
    DEEPSEEK = "DeepSeek"
    GLM = "GLM"
    KIMI = "Kimi"
    OTHER = "Other"


class Capability(StrEnum):
    """What a request may need and not every model can."""

    TOOLS = "Tools"
    VISION = "Vision"


class Service(ApiModel):
    """A model server that already runs behind a Service in the same namespace."""

    name: ObjectName = Field(description="Name of the Service.")
    port: int = Field(ge=1, le=65535, description="Port of the Service.")


class ModelBackendSpec(ApiModel):
    """What the model is and where it runs."""

    model: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$",
        description="Name of the model as its server knows it; sent upstream in place of what the "
        "caller asked for.",
    )
    family: Family = Field(
        default=Family.OTHER,
        description="Model family; its preset fills contextWindow, capabilities, engine arguments "
        "and promptProfile where they are left out.",
    )
    deployment: Deployment | None = Field(
        default=None, description="Run this model server in the cluster."
    )
    service: Service | None = Field(
        default=None, description="Use a model server that is already in this namespace."
    )
    external: External | None = Field(
        default=None, description="Use an OpenAI-compatible API elsewhere."
    )
    context_window: int | None = Field(
        default=None,
        ge=256,
        le=100_000_000,
        description="Largest number of tokens of prompt and answer together. A request that needs "
        "more goes to the next target. Default: what the deployment's args say, else the preset's; "
        "without either, no limit.",
    )
    capabilities: list[Capability] | None = Field(
        default=None,
        max_length=8,
        description="What the model can do beyond text. A request with tools or images skips "
        "targets that lack them. Default: the preset's.",
    )
    max_concurrent_requests: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="How many requests one server works on at once, or an external API in all. A "
        "route whose fallback.when holds Saturated passes on what exceeds it. Default: what the "
        "engine's arguments say (--max-num-seqs and its like); without one, no limit.",
    )
    prompt_profile: PromptProfile | None = Field(
        default=None,
        description="How a request is changed for this model: system text, roles, parameters, "
        "stop sequences, thinking. Default: the preset's.",
    )
    cost: Cost | None = Field(
        default=None,
        description="Prices of tokens, or of an hour of a replica: what requests and replicas cost "
        "is kept by the ledger.",
    )
    replicas: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Number of model servers of a deployment; the scale subresource's path. Not "
        "with scaling mode QueueDepth, which counts them itself. Default: 1.",
    )
    scaling: Scaling | None = Field(
        default=None,
        description="Who sets the replicas of a deployment by its load. Without it they are what "
        "replicas says.",
    )
    activation: Activation | None = Field(
        default=None,
        description="What becomes of requests while no server is ready, for example because there "
        "are 0 replicas. Without it they go to the next backend of the route on Error, else end "
        "with 503.",
    )
    queue: Queue | None = Field(
        default=None,
        description="What exceeds maxConcurrentRequests waits in the router; callers take turns.",
    )
    drift: Drift | None = Field(
        default=None,
        description="How it is watched for changes that nobody made on purpose. Without it, as "
        "its defaults say if there is spec.evaluation, else not at all.",
    )
    evaluation: Evaluation | None = Field(
        default=None,
        description="Golden prompts that the operator asks it on a schedule: how good its answers "
        "are, by task, is in status.quality.",
    )

    governance: Governance | None = Field(
        default=None,
        description="License, provenance, data handling and approval of the model; policies ask "
        "for them (governance.require).",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "capabilities": {"x-kubernetes-list-type": "set"},
    }
    stored_defaults: ClassVar[frozenset[str]] = frozenset({"family"})
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.deployment), has(self.service), has(self.external)]"
            ".exists_one(present, present)",
            "exactly one of deployment, service and external must be set",
            lambda s: [s.deployment, s.service, s.external].count(None) == 2,
        ),
        Rule(
            "!has(self.replicas) || has(self.deployment)",
            "replicas needs a deployment",
            lambda s: s.replicas is None or s.deployment is not None,
            field=".replicas",
        ),
        Rule(
            "!has(self.cost) || !has(self.cost.replicaHour) || has(self.deployment)",
            "cost.replicaHour needs a deployment: nobody counts the replicas of others",
            lambda s: s.cost is None or s.cost.replica_hour is None or s.deployment is not None,
            field=".cost",
        ),
        Rule(
            "!has(self.activation) || !has(self.external)",
            "activation needs a deployment or a service: nobody starts an external backend",
            lambda s: s.activation is None or s.external is None,
            field=".activation",
        ),
        Rule(
            "!has(self.governance) || !has(self.governance.approval) || has(self.external) || "
            "has(self.governance.approval.modelDigest)",
            "governance.approval needs a modelDigest: only an external backend may have none",
            lambda s: s.external is not None or s.approves_a_digest,
            field=".governance",
        ),
        Rule(
            "!has(self.queue) || (has(self.maxConcurrentRequests) && !has(self.external))",
            "queue needs maxConcurrentRequests, and a deployment or a service",
            lambda s: s.queue is None or bool(s.max_concurrent_requests and not s.external),
            field=".queue",
        ),
        Rule(
            "!has(self.scaling) || has(self.deployment)",
            "scaling needs a deployment",
            lambda s: s.scaling is None or s.deployment is not None,
            field=".scaling",
        ),
        Rule(
            "!has(self.scaling) || has(self.activation) || "
            "((!has(self.scaling.minReplicas) || self.scaling.minReplicas != 0) && "
            "(!has(self.scaling.schedules) || self.scaling.schedules.all(s, "
            "!has(s.minReplicas) || s.minReplicas != 0)))",
            "minReplicas 0 needs activation: it says what becomes of requests meanwhile",
            lambda s: s.scaling is None or s.activation is not None or not s.scaling.goes_to_zero,
        ),
        Rule(
            "!has(self.replicas) || !has(self.scaling) || "
            "(has(self.scaling.mode) && self.scaling.mode == 'External')",
            "replicas cannot be set with scaling mode QueueDepth, which counts them itself",
            lambda s: s.replicas is None or s.queue_depth is None,
            field=".replicas",
        ),
        Rule(
            "has(self.replicas) || !has(self.scaling) || !has(self.scaling.mode) || "
            "self.scaling.mode != 'External'",
            "scaling mode External needs replicas: an autoscaler begins with them, and leaves "
            "alone what has none",
            lambda s: s.replicas is not None or s.scaling is None or s.queue_depth is not None,
        ),
        Rule(
            "!has(self.evaluation) || !has(self.evaluation.maxCostPerDay) || has(self.cost)",
            "evaluation.maxCostPerDay needs cost: nobody else knows what an answer costs",
            lambda s: s.evaluation is None or s.evaluation.within_cost(s.cost is not None),
            field=".evaluation",
        ),
        Rule(
            "!has(self.capabilities) || self.capabilities.all(a, "
            "self.capabilities.exists_one(b, a == b))",
            "capabilities holds a value twice",
            lambda s: s.capabilities is None or len(set(s.capabilities)) == len(s.capabilities),
            field=".capabilities",
        ),
    )

    @property
    def queue_depth(self) -> Scaling | None:
        """`scaling`, if it is the operator that scales."""
        scaling = self.scaling
        return scaling if scaling and scaling.mode == ScalingMode.QUEUE_DEPTH else None

    @property
    def approves_a_digest(self) -> bool:
        """Whether an approval, if there is one, names what was approved."""
        approval = self.governance.approval if self.governance else None
        return approval is None or approval.model_digest is not None

    @property
    def replicas_at_first(self) -> int:
        """How many there are before anybody scales."""
        if scaled := self.queue_depth:
            return scaled.least
        return 1 if self.replicas is None else self.replicas


class ModelBackend(ApiModel):
    """One model that can answer: deployed here, already here, or elsewhere."""

    api_version: Literal["pointsman.dev/v1alpha1"] = "pointsman.dev/v1alpha1"
    kind: Literal["ModelBackend"] = "ModelBackend"
    metadata: ObjectMeta
    spec: ModelBackendSpec

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && "
            "self.metadata.name.size() <= 57",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and -, and have at most "
            "57 characters (its Service is named <name>-model)",
            lambda b: re.fullmatch(r"[a-z]([-a-z0-9]{0,55}[a-z0-9])?", b.metadata.name) is not None,
        ),
    )
