"""PURE: a backend's rendered container as a command for this machine.

The Deployment is rendered by the operator's plan, so flags and presets are the cluster's; what
differs here is the address (loopback, a free port) and, for the demo, the pace of simulators.
"""

import sys
from collections.abc import Mapping
from typing import Any

from pointsman.api.names import ANNOTATION_LOCAL_ADDRESS, DEFAULT_MODEL_PORT
from pointsman.api.v1alpha1 import Engine, ModelBackend
from pointsman.local.processes import Wanted

LOOPBACK = ("--host", "127.0.0.1", "--port", "{port}")
"""Added last: in vLLM and in the simulator the last value of a flag counts."""


def commands(
    backend: ModelBackend, container: Mapping[str, Any], *, time_scale: float
) -> dict[str, Wanted]:
    """
    Processes of one backend by key `<name>/<number>`.

    A Custom engine says its port itself, so one process runs whatever `replicas` asks for. Nothing
    scales here: with `scaling` the fewest replicas run, and at least one.
    """
    deployment = backend.spec.deployment
    if deployment is None:
        return {}
    name = backend.metadata.name
    args = tuple(str(arg) for arg in container.get("args", ()))
    # Not the container's: HOME and the like are there for an image that has no user of ours.
    env = tuple((variable.name, variable.value) for variable in deployment.env)
    scaled = backend.spec.queue_depth is not None  # nothing scales here, so that one has to run
    replicas = max(backend.spec.replicas_at_first, int(scaled))
    match deployment.engine:
        case Engine.SIMULATOR:
            pace = () if time_scale == 1 else ("--time-scale", f"{time_scale:g}")
            argv = (sys.executable, "-m", "pointsman.simulator", *args, *pace, *LOOPBACK)
        case Engine.VLLM:
            argv = ("vllm", "serve", *args, *LOOPBACK)
        case Engine.SGLANG:
            argv = ("python3", "-m", "sglang.launch_server", *args, *LOOPBACK)
        case Engine.LLAMA_CPP:
            argv = ("llama-server", *args, *LOOPBACK)
        case Engine.OLLAMA:
            raise ValueError(
                f"ModelBackend {name}: local mode does not start Ollama, which keeps its models to "
                "itself; run it, and name it by `service` and the annotation "
                f"{ANNOTATION_LOCAL_ADDRESS}: 127.0.0.1:11434"
            )
        case Engine.CUSTOM:
            argv = (*deployment.command, *args)
            port = deployment.port or DEFAULT_MODEL_PORT
            wanted = Wanted(argv=argv, env=env, port=port, health=None)
            return {f"{name}/0": wanted} if replicas and argv else {}
    return {f"{name}/{number}": Wanted(argv=argv, env=env) for number in range(replicas)}
