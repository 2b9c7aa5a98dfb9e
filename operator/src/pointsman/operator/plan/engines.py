"""The container of each engine: command, arguments, probes and volumes.

No liveness probes: a model that loads for ten minutes must not be killed for one slow answer.
"""

from typing import Any, Final

from pointsman.api import names
from pointsman.api.presets import effective
from pointsman.api.v1alpha1 import Deployment, Engine, ModelBackendSpec

CACHE: Final = "/var/cache/model"

Probes = dict[str, dict[str, Any]]


def _http(period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/health", "port": "http"},
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
    if engine == Engine.SIMULATOR:
        return {"startupProbe": _http(1, 300), "readinessProbe": _http(2, 2)}
    if engine == Engine.VLLM:  # an hour: hundreds of gigabytes of weights may have to come first
        return {"startupProbe": _http(10, 360), "readinessProbe": _http(5, 3)}
    return {"startupProbe": _tcp(5, 720), "readinessProbe": _tcp(5, 3)}


def _launch(spec: ModelBackendSpec, deployment: Deployment, port: int) -> dict[str, Any]:
    """`command` and `args`; the spec's args come last, so that they win."""
    filled = effective(spec)
    listen = ["--host", "0.0.0.0", "--port", str(port)]  # noqa: S104 - a pod's own address
    if deployment.engine == Engine.SIMULATOR:
        window = ["--context-window", str(filled.context_window)] if filled.context_window else []
        args = ["--model", spec.model, *listen, *window, *filled.engine_args]
        return {"command": ["pointsman-simulator"], "args": args}
    if deployment.engine == Engine.VLLM:
        # Positional: `vllm serve` warns that --model goes away.
        args = [spec.model, "--served-model-name", spec.model, *listen]
        if spec.context_window:
            args += ["--max-model-len", str(spec.context_window)]
        return {"command": ["vllm", "serve"], "args": [*args, *filled.engine_args]}
    launch: dict[str, Any] = {}
    if deployment.command:
        launch["command"] = list(deployment.command)
    if deployment.args:
        launch["args"] = list(deployment.args)
    return launch


def _env(deployment: Deployment) -> list[dict[str, str]]:
    own = {variable.name: variable.value for variable in deployment.env}
    if deployment.engine == Engine.VLLM:
        # The image has no passwd entry for our user: caches need a HOME, torch needs a USER.
        own = {"HOME": CACHE, "USER": "model", **own}
    return [{"name": name, "value": value} for name, value in own.items()]


def _mounts(engine: Engine) -> list[dict[str, str]]:
    if engine == Engine.VLLM:
        return [
            {"name": "cache", "mountPath": CACHE},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - tensor parallelism's own place
        ]
    return []


def volumes_of(engine: Engine) -> list[dict[str, Any]]:
    """Volumes of the pod; tensor parallelism needs more shared memory than a container has."""
    if engine == Engine.VLLM:
        return [
            {"name": "cache", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ]
    return []


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
    }
    if env := _env(deployment):
        container["env"] = env
    if mounts := _mounts(engine):
        container["volumeMounts"] = mounts
    if deployment.resources:
        resources = {
            "requests": dict(deployment.resources.requests),
            "limits": dict(deployment.resources.limits),
        }
        container["resources"] = {key: value for key, value in resources.items() if value}
    return container
