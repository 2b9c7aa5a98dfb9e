"""Each engine's objects: as in the golden files, and accepted by a real API server."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from pointsman.api.v1alpha1 import Engine, ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator.plan import draining
from pointsman.operator.plan.children import render_children
from pointsman.operator.plan.objects import parsed
from tests.bench import Bench
from tests.operator.golden import FOLDER, IMAGES, RULES, SPECS, rendered
from tests.operator.objects import NAMESPACE, backend


@pytest.mark.parametrize("name", sorted(SPECS))
def test_what_is_rendered_is_in_the_golden_file(name: str) -> None:
    """A change shows in the diff: it restarts every pod of that engine."""
    assert (FOLDER / f"{name}.yaml").read_text() == rendered(name)


def test_every_engine_has_a_golden_file() -> None:
    """A new engine is seen by a person."""
    engines = {Engine(spec["deployment"]["engine"]) for spec in SPECS.values()}
    assert engines == set(Engine)


@pytest.mark.bench
@pytest.mark.parametrize("name", sorted(SPECS))
def test_the_api_server_accepts_it(bench: Bench, name: str) -> None:
    """Also with warnings as errors, in a namespace that enforces the restricted standard."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space = f"engine-{name}"
    about = {"name": space, "labels": labels}
    bench.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": about}))
    children = list(yaml.safe_load_all(rendered(name)))
    for child in children:
        child["metadata"]["namespace"] = space
        del child["metadata"]["ownerReferences"]
        if child["kind"] == "Deployment":
            child["spec"]["replicas"] = 0  # images of other people are not pulled here
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": children})
    options = ("apply", "--server-side", "--validate=strict", "--warnings-as-errors", "-f", "-")
    bench.kubectl(*options, "--dry-run=server", input=text)
    bench.kubectl(*options, input=text)

    template = next(c for c in children if c["kind"] == "Deployment")["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": space, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    for absent in ("runtimeClassName", "imagePullSecrets"):
        pod["spec"].pop(absent, None)  # the bench has none of that name
    bench.kubectl(*options, "--dry-run=server", input=json.dumps(pod))
    bench.kubectl("delete", "namespace", space, "--wait=false")


def refusal(pod_template: dict[str, Any]) -> str:
    deployment = {"engine": "Simulator", "podTemplate": pod_template}
    value = parsed(ModelBackend, backend(deployment=deployment))
    assert isinstance(value, ModelBackend), value
    with pytest.raises(Invalid) as refused:
        render_children(value, namespace=NAMESPACE, images=IMAGES, rules=RULES)
    return str(refused.value)


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"status": {}}, "spec.deployment.podTemplate.status: is neither metadata nor spec"),
        (
            {"metadata": {"labels": {"pointsman.dev/backend": "other"}}},
            "spec.deployment.podTemplate.metadata.labels: the label pointsman.dev/backend",
        ),
        (
            {"spec": {"containers": [{"name": "model", "$patch": "delete"}]}},
            "spec.deployment.podTemplate.spec.containers: the container model",
        ),
        (
            {"spec": {"containers": [{"name": "model", "ports": [{"$patch": "replace"}]}]}},
            "spec.deployment.podTemplate.spec.containers: the container model",
        ),
        (
            {"spec": {"volumes": [{"emptyDir": {}}]}},
            "spec.deployment.podTemplate.spec.volumes[0]: needs name",
        ),
        ({"spec": {"containers": "x"}}, "spec.deployment.podTemplate.spec.containers"),
        ({"metadata": "x"}, "spec.deployment.podTemplate.metadata"),
        ({"spec": {"containers": [{"name": "model", "ports": 7}]}}, "spec.containers"),
    ],
)
def test_an_override_that_breaks_the_backend_is_refused(patch: dict[str, Any], says: str) -> None:
    """By name, before anything is written."""
    assert says in refusal(patch)


class _Server:
    """Metrics as an engine prints them; the numbers change while the hook looks."""

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = server.answers[min(server.asked, len(server.answers) - 1)]
                server.asked += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Silent."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[_Server]:
    made = _Server(request.param)
    yield made
    made.http.shutdown()
    made.thread.join()
    made.http.server_close()


def metrics(running: int, waiting: int, names: tuple[str, str]) -> str:
    return (
        f"# HELP {names[0]} Requests.\n# TYPE {names[0]} gauge\n"
        f'{names[0]}{{model_name="m"}} {running}\n{names[1]}{{model_name="m"}} {waiting}\n'
        "other_total 7\n"
    )


def hook(engine: Engine, port: int) -> list[str]:
    """The engine's hook without the pause in which routers learn of the end."""
    command: list[str] = draining.before_stop(engine, port)["exec"]["command"]
    pause = str(draining.NOTICE_S)
    text = command[2].replace(f"sleep({pause})", "sleep(0)").replace(f"sleep {pause}", "sleep 0")
    assert text != command[2]
    return [sys.executable if command[0] == "python3" else command[0], command[1], text]


VLLM = ("vllm:num_requests_running", "vllm:num_requests_waiting")
LLAMA = ("llamacpp:requests_processing", "llamacpp:requests_deferred")


@pytest.mark.parametrize(
    ("engine", "server"),
    [
        (Engine.VLLM, [metrics(2, 1, VLLM), metrics(0, 1, VLLM), metrics(0, 0, VLLM)]),
        (Engine.LLAMA_CPP, [metrics(2, 0, LLAMA), metrics(0, 1, LLAMA), metrics(0, 0, LLAMA)]),
    ],
    indirect=["server"],
)
@pytest.mark.slow
def test_a_server_ends_when_it_is_idle(engine: Engine, server: _Server) -> None:
    """The hook looks until nothing runs and nothing waits."""
    port = server.http.server_address[1]
    subprocess.run(hook(engine, int(port)), check=True, timeout=60)
    assert server.asked == 3


@pytest.mark.parametrize("engine", [Engine.SGLANG, Engine.LLAMA_CPP])
def test_a_server_that_is_dead_ends_at_once(engine: Engine) -> None:
    """A hook that waited for its answer would hold up the node's drain."""
    with _closed_port() as port:
        subprocess.run(hook(engine, port), check=False, timeout=60)


class _closed_port:  # noqa: N801 - a context
    """A port that nobody listens on."""

    def __enter__(self) -> int:
        made = _Server([])
        made.http.shutdown()
        made.thread.join()
        made.http.server_close()
        return int(made.http.server_address[1])

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


@pytest.mark.parametrize("engine", list(Engine))
def test_the_grace_period_covers_the_hook(engine: Engine) -> None:
    """Else the kubelet kills what the hook waits for."""
    found = draining.before_stop(engine, 8000)
    looking_s = draining.NOTICE_S + draining.DRAIN_S
    longest = found["sleep"]["seconds"] if "sleep" in found else looking_s
    assert draining.grace_s(engine) >= longest + draining.END_S


@pytest.mark.parametrize(("replicas", "budget"), [(None, False), (1, False), (0, False), (2, True)])
def test_several_replicas_have_a_disruption_budget(replicas: int | None, budget: bool) -> None:
    """With one it would only block the drain of a node."""
    spec: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    value = parsed(ModelBackend, backend(**spec))
    assert isinstance(value, ModelBackend)
    children = render_children(value, namespace=NAMESPACE, images=IMAGES, rules=RULES)
    assert ("PodDisruptionBudget" in {child["kind"] for child in children}) is budget
