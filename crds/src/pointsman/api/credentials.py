"""Which Secrets may be read, and which hosts may see what is in them.

Pure, and the only reading of the label and the annotation: `check`, operator and router agree.
Fails closed: no label or no annotation allows nothing.
"""

from collections.abc import Mapping

from pointsman.api.names import ANNOTATION_ALLOWED_HOSTS, LABEL_CREDENTIAL


def is_credential(labels: Mapping[str, str]) -> bool:
    """Whether a Secret with these labels may be read at all."""
    return labels.get(LABEL_CREDENTIAL) == "true"


def host_allowed(host: str, annotations: Mapping[str, str]) -> bool:
    """Whether `host` may see the key; `*.example.com` covers one label and more below it."""
    host = host.lower().rstrip(".")
    patterns = str(annotations.get(ANNOTATION_ALLOWED_HOSTS, "")).lower().split(",")
    return bool(host) and any(_covers(pattern.strip().rstrip("."), host) for pattern in patterns)


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern[1:])
    return host == pattern
