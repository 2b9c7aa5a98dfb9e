"""A model server that Pointsman runs: engine, image, arguments, resources, cache."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from pointsman.api.validation import ApiModel, ObjectName, Rule

QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"


def _text_of_integer(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    Field(
        pattern=QUANTITY,
        max_length=64,
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
        },
    ),
    BeforeValidator(_text_of_integer),
]
"""As in a pod: `cpu: 2` and `cpu: 500m` both work."""


PodTemplate = Annotated[
    dict[str, JsonValue],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""A strategic merge patch; what it may hold is checked when it is merged."""


class Engine(StrEnum):
    """Model servers that Pointsman can run."""

    VLLM = "VLLM"
    SGLANG = "SGLang"
    LLAMA_CPP = "LlamaCpp"
    OLLAMA = "Ollama"
    SIMULATOR = "Simulator"
    CUSTOM = "Custom"


WITH_DEFAULT_IMAGE = frozenset({Engine.VLLM, Engine.SIMULATOR})


class EnvVar(ApiModel):
    """One environment variable with a plain value; `podTemplate` has those of Secrets."""

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256, description="Name of the variable."
    )
    value: str = Field(default="", max_length=4096, description="Value of the variable.")


class ResourceRequirements(ApiModel):
    """Container resources, as in a pod."""

    requests: dict[str, Quantity] = Field(
        default={},
        max_length=16,
        description="Minimum amounts, such as cpu: 500m, memory: 16Gi, nvidia.com/gpu: 1.",
    )
    limits: dict[str, Quantity] = Field(
        default={}, max_length=16, description="Maximum amounts; GPUs belong here."
    )


class ModelCache(ApiModel):
    """Where weights are kept, mounted at /var/cache/model."""

    claim_name: ObjectName | None = Field(
        default=None,
        description="A PersistentVolumeClaim in the same namespace: weights outlive the pod. "
        "Several replicas on several nodes need one that can be mounted there (ReadWriteMany).",
    )
    size: Quantity | None = Field(
        default=None,
        description="Size of a volume that is made for each pod and goes with it, such as 200Gi: "
        "for weights that do not fit on the node's own disk.",
    )
    storage_class_name: ObjectName | None = Field(
        default=None, description="Storage class of that volume. Default: the cluster's."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.claimName) != has(self.size)",
            "exactly one of claimName and size must be set",
            lambda c: (c.claim_name is None) != (c.size is None),
        ),
        Rule(
            "!has(self.storageClassName) || has(self.size)",
            "storageClassName needs a size",
            lambda c: c.storage_class_name is None or c.size is not None,
            field=".storageClassName",
        ),
    )


class Deployment(ApiModel):
    """A model server that Pointsman runs as a Deployment and a Service."""

    engine: Engine = Field(
        description="Model server: VLLM, SGLang, LlamaCpp (llama-server), Ollama, Simulator (a "
        "stand-in without a model), or Custom (any OpenAI-compatible server)."
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        description="Container image; VLLM and Simulator have a default.",
    )
    command: list[Annotated[str, Field(max_length=4096)]] = Field(
        default=[],
        max_length=64,
        description="Entrypoint of a Custom engine; other engines bring their own.",
    )
    args: list[Annotated[str, Field(max_length=4096)]] = Field(
        default=[],
        max_length=128,
        description="Arguments added after those that the engine and the preset give.",
    )
    env: list[EnvVar] = Field(
        default=[], max_length=64, description="Environment variables of the model server."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port on which the server listens. Default: 8000.",
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources of the model server's container."
    )
    cache: ModelCache | None = Field(
        default=None,
        description="Volume for weights. Default: an emptyDir, which is lost with the pod.",
    )
    pod_template: PodTemplate | None = Field(
        default=None,
        description="Overrides of the pod template (metadata and spec), merged as `kubectl patch "
        "--type=strategic` does: for imagePullSecrets, tolerations, runtimeClassName, sidecars, "
        "env from Secrets. The model server's container is named model; `$patch: delete` and "
        "`$patch: replace` work, null does not. What breaks the baseline Pod Security Standard is "
        "refused unless the chart's operator.podTemplates is Any.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "env": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "command": {"x-kubernetes-list-type": "atomic"},
        "args": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.engine in ['VLLM', 'Simulator'] || has(self.image)",
            "this engine needs an image",
            lambda d: d.engine in WITH_DEFAULT_IMAGE or d.image is not None,
        ),
        Rule(
            "self.engine != 'Simulator' || !has(self.cache)",
            "engine Simulator has no weights to cache",
            lambda d: d.engine != Engine.SIMULATOR or d.cache is None,
            field=".cache",
        ),
        Rule(
            "self.engine == 'Custom' || !has(self.command) || self.command.size() == 0",
            "only engine Custom takes a command",
            lambda d: d.engine == Engine.CUSTOM or not d.command,
        ),
        Rule(
            "!has(self.env) || self.env.all(a, self.env.exists_one(b, a.name == b.name))",
            "two variables of env have the same name",
            lambda d: len({e.name for e in d.env}) == len(d.env),
        ),
    )
