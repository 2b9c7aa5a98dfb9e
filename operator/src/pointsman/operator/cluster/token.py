"""The token that the operator shows on a router's admin port."""

from pathlib import Path

from pointsman.operator import metrics


def read_token(file: Path) -> str:
    """Read at every dial: the kubelet rotates it. Anything but one word is no token."""
    try:
        (token,) = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        metrics.ROUTER_FAULTS.labels("NoToken").inc()
        return ""
    return token
