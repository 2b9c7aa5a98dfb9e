"""Kubernetes manifests from files, read as kubectl reads them, and checked without a cluster."""

from pointsman.api.manifests.crosscheck import cross_check
from pointsman.api.manifests.finding import Finding, Item, Loaded, Position, Severity
from pointsman.api.manifests.loading import load, load_text

__all__ = [
    "Finding",
    "Item",
    "Loaded",
    "Position",
    "Severity",
    "cross_check",
    "load",
    "load_text",
]
