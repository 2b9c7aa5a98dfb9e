"""A kubeconfig for an API server without TLS."""

from pathlib import Path

_TEXT = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "%s"}}]
users: [{name: u, user: {token: t}}]
"""


def write_kubeconfig(folder: Path, url: str) -> Path:
    """Path of the file."""
    file = folder / "kubeconfig"
    file.write_text(_TEXT % url)
    return file
