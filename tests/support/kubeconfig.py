"""A kubeconfig for an API server of a test."""

import base64
from pathlib import Path

_TEXT = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "%s", certificate-authority-data: "%s"}}]
users: [{name: u, user: {token: t}}]
"""


def write_kubeconfig(folder: Path, url: str, authority: bytes = b"") -> Path:
    """Path of the file; the certificate of who signed the server's, where it has one."""
    file = folder / "kubeconfig"
    file.write_text(_TEXT % (url, base64.b64encode(authority).decode()))
    return file
