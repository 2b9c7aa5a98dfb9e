"""Local mode's traces and metrics for an OpenTelemetry collector, where one is named."""

import argparse
import os
import secrets
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from pointsman.router.serve.app import DataPlane
from pointsman.router.settings_otlp import Otlp, otlp_from

if TYPE_CHECKING:
    from pointsman.router.otlp.sender import Sender


def collector(endpoint: str | None) -> Otlp | None:
    """
    Of all requests, as on one machine there are few; None without an endpoint.

    OpenTelemetry's variables count as a router's do. ValueError where something means nothing, or
    the extra is not installed.
    """
    given = argparse.Namespace(
        otlp_endpoint=endpoint, otlp_sample="1", otlp_service_name="", otlp_headers_file="",
        otlp_ca_file="", namespace="",
    )  # fmt: skip
    return otlp_from(given, os.environ, instance=secrets.token_hex(8))


def begin(plane: DataPlane, registry: CollectorRegistry, otlp: Otlp | None) -> "Sender | None":
    """Send what the plane does from now on; the caller closes what it gets."""
    if otlp is None:
        return None
    from pointsman.router.otlp.sender import Sender  # noqa: PLC0415 - an extra

    sender = Sender(registry, otlp)
    plane.traces = sender.traces
    return sender
