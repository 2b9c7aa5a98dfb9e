"""What the data plane never loads, and that the order of a request is what stack.py says."""

import subprocess
import sys

from pointsman.router.stack import STACK, Phase

NEVER = ("pointsman.operator", "pointsman.ledger", "numpy", "pydantic", "httpx", "aiohttp", "kopf")
LATER = (
    "pointsman.router.wire.translation", "pointsman.router.wire.anthropic",
    "pointsman.router.wire.responses", "pointsman.router.serve.translated",
    "pointsman.router.serve.counting", "pointsman.router.serve.governing",
    "pointsman.routing.governing", "pointsman.routing.governance", "pointsman.routing.review",
    "pointsman.router.serve.review", "pointsman.router.wire.restreamed",
)  # fmt: skip
"""With the first request that needs them: an idle router has no memory to give away."""
UNSEEN = (
    "pointsman.api.pairs", "pointsman.router.serve.aside", "pointsman.router.serve.mirror",
    "pointsman.router.serve.shadowing", "pointsman.router.wire.mirrored",
)  # fmt: skip


def test_the_data_plane_loads_none_of_the_heavy_packages() -> None:
    """In a fresh interpreter."""
    code = (
        "import sys, pointsman.router.serve.app\n"
        f"print([name for name in {NEVER + LATER!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_what_a_shadow_needs_is_loaded_with_the_first() -> None:
    """Neither by the data plane nor by the control side of a router that has none."""
    code = (
        "import sys, pointsman.router.serve.app, pointsman.router.control.process\n"
        f"print([name for name in {UNSEEN!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_the_order_of_a_request() -> None:
    """One list; every layer says why it stands there."""
    assert [layer.name for layer in STACK] == [
        "authenticate", "read", "resolve", "analyze", "decide", "review", "limit", "spend",
        "attempt", "relay", "settle", "account", "charge",
    ]  # fmt: skip
    phases = [layer.phase for layer in STACK if layer.phase is not Phase.DECIDED]
    assert phases == sorted(phases, key=list(Phase).index)
    assert all(len(layer.reason) > 20 for layer in STACK)
