"""The container of each engine: command, arguments, probes and volumes.

No liveness probes: a model that loads for ten minutes must not be killed for one slow answer.
"""

from typing import Any, Final

from pointsman.api import names
from pointsman.api.presets import context_of_slots, effective
from pointsman.api.v1alpha1 import Deployment, Engine, ModelBackendSpec
from pointsman.operator.plan.draining import before_stop

CACHE: Final = "/var/cache/model"

Probes = dict[str, dict[str, Any]]


def _http(period_s: int, failures: int, path: str = "/health") -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _tcp(period_s: int, failures: int) -> dict[str, Any]:
    return {
        "tcpSocket": {"port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _probes(engine: Engine) -> Probes:
    match engine:
        case Engine.SIMULATOR:
            return {"startupProbe": _http(1, 300), "readinessProbe": _http(2, 2)}
        case Engine.VLLM | Engine.SGLANG | Engine.LLAMA_CPP:
            # An hour: hundreds of gigabytes of weights may have to come first.
            return {"startupProbe": _http(10, 360), "readinessProbe": _http(5, 3)}
        case Engine.OLLAMA:  # the weights were pulled by its init container
            path = "/api/version"
            return {
                "startupProbe": _http(2, 300, path),
                "readinessProbe": _http(5, 3, path),
            }
        case Engine.CUSTOM:
            return {"startupProbe": _tcp(5, 720), "readinessProbe": _tcp(5, 3)}


def _launch(spec: ModelBackendSpec, deployment: Deployment, port: int) -> dict[str, Any]:
    """`command` and `args`; the spec's args come last, so that they win."""
    filled = effective(spec)
    listen = ["--host", "0.0.0.0", "--port", str(port)]  # noqa: S104 - a pod's own address
    if deployment.engine == Engine.SIMULATOR:
        known = ["--context-window", str(filled.context_window)] if filled.context_window else []
        args = ["--model", spec.model, *listen, *known, *filled.engine_args]
        return {"command": ["pointsman-simulator"], "args": args}
    window = str(spec.context_window) if spec.context_window else ""
    if deployment.engine == Engine.VLLM:
        # Positional: `vllm serve` warns that --model goes away.
        args = [spec.model, "--served-model-name", spec.model, *listen]
        if window:
            args += ["--max-model-len", window]
        return {"command": ["vllm", "serve"], "args": [*args, *filled.engine_args]}
    if deployment.engine == Engine.SGLANG:
        args = ["--model-path", spec.model, "--served-model-name", spec.model, *listen]
        args += ["--enable-metrics", *(["--context-length", window] if window else [])]
        command = ["python3", "-m", "sglang.launch_server"]
        return {"command": command, "args": [*args, *filled.engine_args]}
    if deployment.engine == Engine.LLAMA_CPP:
        own = filled.engine_args
        weights = [] if _LLAMA_WEIGHTS & set(own) else ["--hf-repo", spec.model]
        args = [*weights, "--alias", spec.model, *listen, "--metrics"]
        if spec.context_window:
            args += ["--ctx-size", str(context_of_slots(own, spec.context_window))]
        return {"args": [*args, *own]}  # the image's entrypoint is llama-server
    if deployment.engine == Engine.OLLAMA:
        return {"command": ["ollama", "serve", *filled.engine_args]}
    launch: dict[str, Any] = {}
    if deployment.command:
        launch["command"] = list(deployment.command)
    if deployment.args:
        launch["args"] = list(deployment.args)
    return launch


_LLAMA_WEIGHTS: Final = frozenset(
    {"-m", "--model", "-mu", "--model-url", "-hf", "-hfr", "--hf-repo", "-dr", "--docker-repo"}
)
"""Flags of llama-server that say where its weights are; without one, the model is a repository."""


def _env(spec: ModelBackendSpec, deployment: Deployment, port: int) -> list[dict[str, str]]:
    own: dict[str, str] = {}
    if caches(deployment.engine):
        # The images have no passwd entry for our user: caches need a HOME, torch needs a USER.
        own = {"HOME": CACHE, "USER": "model"}
    if deployment.engine == Engine.LLAMA_CPP:
        own["LLAMA_CACHE"] = CACHE
    if deployment.engine == Engine.OLLAMA:
        own |= {"OLLAMA_HOST": f"0.0.0.0:{port}", "OLLAMA_MODELS": f"{CACHE}/models"}
        own["OLLAMA_KEEP_ALIVE"] = "-1"  # the default forgets the model after five idle minutes
        if spec.context_window:
            own["OLLAMA_CONTEXT_LENGTH"] = str(spec.context_window)
    own |= {variable.name: variable.value for variable in deployment.env}
    return [{"name": name, "value": value} for name, value in own.items()]


def caches(engine: Engine) -> bool:
    """True for engines that fetch their weights themselves."""
    return engine not in (Engine.SIMULATOR, Engine.CUSTOM)


def _parallel(engine: Engine) -> bool:
    return engine in (Engine.VLLM, Engine.SGLANG)


def _mounts(deployment: Deployment) -> list[dict[str, str]]:
    found = []
    if caches(deployment.engine) or deployment.cache:
        found.append({"name": "cache", "mountPath": CACHE})
    if _parallel(deployment.engine):
        found.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - tensor parallelism's own place
    return found


def volumes_of(deployment: Deployment) -> list[dict[str, Any]]:
    """Volumes of the pod; tensor parallelism needs more shared memory than a container has."""
    found: list[dict[str, Any]] = []
    if caches(deployment.engine) or deployment.cache:
        found.append({"name": "cache", **_cache(deployment)})
    if _parallel(deployment.engine):
        found.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    return found


def _cache(deployment: Deployment) -> dict[str, Any]:
    cache = deployment.cache
    if cache is None:
        return {"emptyDir": {}}
    if cache.claim_name:
        return {"persistentVolumeClaim": {"claimName": cache.claim_name}}
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": cache.size}},
    }
    if cache.storage_class_name:
        claim["storageClassName"] = cache.storage_class_name
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}


def container_of(
    spec: ModelBackendSpec,
    deployment: Deployment,
    *,
    simulator: str,
    vllm: str,
) -> dict[str, Any]:
    """The one container of a model server's pod."""
    engine = deployment.engine
    port = deployment.port or names.DEFAULT_MODEL_PORT
    default = {Engine.SIMULATOR: simulator, Engine.VLLM: vllm}.get(engine, "")
    container: dict[str, Any] = {
        "name": "model",
        "image": deployment.image or default,
        **_launch(spec, deployment, port),
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            **({"readOnlyRootFilesystem": True} if engine == Engine.SIMULATOR else {}),
        },
        **_probes(engine),
        "lifecycle": {"preStop": before_stop(engine, port)},
    }
    if env := _env(spec, deployment, port):
        container["env"] = env
    if mounts := _mounts(deployment):
        container["volumeMounts"] = mounts
    if deployment.resources:
        resources = {
            "requests": dict(deployment.resources.requests),
            "limits": dict(deployment.resources.limits),
        }
        container["resources"] = {key: value for key, value in resources.items() if value}
    return container


_PULL: Final = """\
ollama serve & server=$!
until ollama list >/dev/null 2>&1; do kill -0 $server || exit 1; sleep 1; done
ollama pull "$MODEL"; status=$?
kill $server; wait $server; exit $status
"""


def init_containers_of(
    spec: ModelBackendSpec, deployment: Deployment, container: dict[str, Any]
) -> list[dict[str, Any]]:
    """Ollama pulls by a running server only, and would answer before the model is there."""
    if deployment.engine != Engine.OLLAMA:
        return []
    kept = ("image", "env", "volumeMounts", "securityContext")
    pull = {"name": "pull", **{key: container[key] for key in kept}}
    pull["env"] = [
        *(one for one in container["env"] if one["name"] != "OLLAMA_HOST"),
        {"name": "OLLAMA_HOST", "value": "127.0.0.1:11434"},
        {"name": "MODEL", "value": spec.model},
    ]
    pull["command"] = ["sh", "-c", _PULL]
    return [pull]
