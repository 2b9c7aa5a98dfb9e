"""What the processes load, since that is nearly all that they hold in memory when idle."""

import subprocess
import sys
from functools import cache

import pytest

# Everything that a process imports late is named too: an idle one has it loaded.
ROUTER = "pointsman.router.__main__, pointsman.router.serve.app, pointsman.router.control.process"
OPERATOR = (
    "pointsman.operator.__main__, pointsman.operator.running, "
    "kubernetes.aio.client, kubernetes.aio.config"
)
UP = "pointsman.cli.__main__, pointsman.cli.up"
LEDGER = "pointsman.ledger.__main__, pointsman.ledger.stores.sqlite"
FOREIGN = {
    *("numpy", "openai", "httpx", "rich", "watchfiles", "pyroute2", "pytest", "hypothesis"),
    "opentelemetry",
}


pytestmark = pytest.mark.slow


@cache
def loaded(modules: str) -> frozenset[str]:
    """Names of all modules in a fresh interpreter after importing these."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return frozenset(done.stdout.split())


@pytest.mark.parametrize(
    ("modules", "never"),
    [
        (
            ROUTER,
            FOREIGN
            | {"aiohttp", "pydantic", "kubernetes", "kopf", "pointsman.operator", "requests"},
        ),
        (
            OPERATOR,
            FOREIGN
            | {
                "grpc",
                "google.protobuf",
                "pointsman.router",
                "pointsman.local",
                "pointsman.simulator",
            },
        ),
        (UP, {"kubernetes", "kopf", "requests", "numpy", "grpc", "psycopg", "pytest"}),
        (
            LEDGER,
            FOREIGN | {"pydantic", "kubernetes", "kopf", "psycopg", "pointsman.router", "yaml"},
        ),
    ],
    ids=["router", "operator", "up", "ledger"],
)
def test_a_process_loads_nothing_it_has_no_use_for(modules: str, never: set[str]) -> None:
    """By whole packages."""
    assert loaded(modules) & never == set()


def test_the_operator_loads_no_models_of_the_kubernetes_client() -> None:
    """There are some 700, each a module; plans work on JSON."""
    models = {name for name in loaded(OPERATOR) if ".client.models." in name}

    assert "kubernetes.aio.client" in loaded(OPERATOR)
    assert len(models) < 20
