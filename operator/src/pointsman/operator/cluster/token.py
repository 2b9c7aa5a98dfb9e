"""The token that the operator shows on a router's admin port."""

from pathlib import Path

from pointsman.api.names import HEADER_EPOCH
from pointsman.operator import metrics


def read_token(file: Path) -> str:
    """Read at every dial: the kubelet rotates it. Anything but one word is no token."""
    try:
        (token,) = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        metrics.ROUTER_FAULTS.labels("NoToken").inc()
        return ""
    return token


def dial_headers(file: Path, epoch: int) -> dict[str, str]:
    """What the leader of this epoch shows at an admin port."""
    headers = {HEADER_EPOCH: str(epoch)}
    if token := read_token(file):
        headers["authorization"] = f"Bearer {token}"
    return headers
