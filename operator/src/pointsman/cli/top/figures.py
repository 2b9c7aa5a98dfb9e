"""Figures of routers and ledgers: their metrics, read through the API server or by URL."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pointsman.cli.arguments import is_url
from pointsman.cli.rollout.kubectl import Failed, Kubectl
from pointsman.cli.straight import Refused, Unanswered, asked

TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 16 * 1024 * 1024
_LINE: Final = re.compile(r"(?P<name>[a-z_]+)(\{(?P<labels>[^}]*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(?P<key>[a-z_]+)="(?P<value>(?:[^"\\]|\\.)*)"')
_PARTS: Final = "app.kubernetes.io/name=pointsman,app.kubernetes.io/component="
_PORTS: Final = {"router": 9901, "ledger": 9903}
Figure = tuple[str, dict[str, str], float]


def figures_of(text: str) -> Iterator[Figure]:
    """(name, labels, value) of each line of Prometheus' format."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        labels = {one["key"]: one["value"] for one in _LABEL.finditer(found["labels"] or "")}
        try:
            yield found["name"], labels, float(found["value"])
        except ValueError:
            continue


def routers(kubectl: Kubectl, every: list[str]) -> list[tuple[str, str]]:
    """(namespace, path of the metrics) of each running router pod. Raises Failed."""
    return _pods(kubectl, every, "router")


def ledgers(kubectl: Kubectl, every: list[str]) -> list[tuple[str, str]]:
    """The same of ledgers. Raises Failed."""
    return _pods(kubectl, every, "ledger")


def _pods(kubectl: Kubectl, every: list[str], component: str) -> list[tuple[str, str]]:
    pods: list[dict[str, Any]] = kubectl.get("pods", *every, "-l", _PARTS + component)["items"]
    found = []
    for pod in pods:
        about = pod["metadata"]
        if pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in about:
            where = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
            path = f"{where}:{_PORTS[component]}/proxy/metrics"
            found.append((about["namespace"], path))
    return found


def read(url: str) -> str:
    """The metrics at a URL. Raises Failed."""
    if not is_url(url):
        raise Failed(f"--router has to be a URL such as http://127.0.0.1:9901, not {url}")
    try:
        data = asked(f"{url.rstrip('/')}/metrics", timeout_s=TIMEOUT_S, most_bytes=MAX_BYTES)
    except (Refused, Unanswered) as error:
        raise Failed(f"{url} cannot be asked: {error}") from None
    return data.decode("utf-8", "replace")
