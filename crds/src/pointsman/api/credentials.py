"""Which Secrets may be read, and which hosts may see what is in them.

Pure, and the only reading of the label and the annotation: `check`, operator and router agree.
Fails closed: no label or no annotation allows nothing.
"""

import re
from collections.abc import Mapping

from pointsman.api.names import ANNOTATION_ALLOWED_HOSTS, LABEL_CREDENTIAL

_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


def is_credential(labels: Mapping[str, str]) -> bool:
    """Whether a Secret with these labels may be read at all."""
    return labels.get(LABEL_CREDENTIAL) == "true"


def host_allowed(host: str, annotations: Mapping[str, str]) -> bool:
    """Whether `host` may see the key; `*.example.com` covers names below it, never an address."""
    host = host.lower()
    patterns = str(annotations.get(ANNOTATION_ALLOWED_HOSTS, "")).lower().split(",")
    return bool(host) and any(_covers(pattern.strip(), host) for pattern in patterns)


def _covers(pattern: str, host: str) -> bool:
    if _ADDRESS.fullmatch(host):
        return pattern in (host, f"[{host}]")
    if pattern.startswith("*."):
        above = pattern[1:]
        return (
            len(above) > 1
            and host.endswith(above)
            and host.removesuffix(above)[-1:] not in ("", ".")
        )
    return host == pattern
