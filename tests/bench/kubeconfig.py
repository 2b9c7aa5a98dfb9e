"""Kubeconfig files for the bench's API server."""

import base64
from pathlib import Path
from typing import Any

import yaml


def write_kubeconfig(path: Path, *, server: str, ca: Path, user: dict[str, str]) -> Path:
    """Write a self-contained kubeconfig, readable by its owner only; `user` is its AuthInfo."""
    cluster = {"server": server, "certificate-authority-data": encoded(ca)}
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": user}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path


def encoded(path: Path) -> str:
    """A file's content as kubeconfigs hold it."""
    return base64.b64encode(path.read_bytes()).decode()
