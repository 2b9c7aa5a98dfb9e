"""Where traces and metrics go by OTLP: flags, and OpenTelemetry's own environment variables.

Guarantees that an `Otlp` value is usable and that the extra is installed. Refuses anything else,
naming the flag or the variable. What the exporters read themselves (OTEL_EXPORTER_OTLP_HEADERS,
_TIMEOUT, _COMPRESSION, _CLIENT_KEY, _CLIENT_CERTIFICATE, OTEL_RESOURCE_ATTRIBUTES) is not here.
"""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([\x20-\x7e]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Otlp:
    """One collector. ValueError where a value means nothing."""

    endpoint: str
    """URL below which /v1/traces and /v1/metrics are."""
    headers_file: Path | None = None
    """One `name: value` a line; read anew before each export."""
    ca_file: Path | None = None
    sample: float = 0.1
    """The share of requests that is recorded where no caller decided."""
    service_name: str = ""
    instance: str = ""
    pod: str = ""
    namespace: str = ""
    queue: int = 2048
    """Spans that wait at most."""
    batch: int = 64
    """Spans that are sent at once, about. Encoding one takes 35 us, for which requests may have to
    wait; the SDK's 512 would be 18 ms."""
    every_s: float = 5.0
    metrics_every_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be connected to."""
        try:
            parts = urlsplit(self.endpoint)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        plain = parts.scheme in ("http", "https") and parts.hostname
        if not plain or parts.query or parts.fragment or not self.endpoint.isascii():
            raise ValueError("--otlp-endpoint must be a URL such as http://collector:4318")
        if parts.username is not None or parts.password is not None:
            raise ValueError("--otlp-endpoint must hold no password: use --otlp-headers-file")
        if not 0 <= self.sample <= 1:
            raise ValueError("--otlp-sample must be from 0 to 1")
        if self.batch > self.queue:
            raise ValueError("OTEL_BSP_MAX_EXPORT_BATCH_SIZE is over OTEL_BSP_MAX_QUEUE_SIZE")


def read_headers(path: Path) -> dict[str, str]:
    """Of a file, names in lower case. OSError, or ValueError with the line's number alone."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        header = _HEADER.fullmatch(line.strip())
        if header is None:
            raise ValueError(f"line {number} of {path} is no header such as `name: value`")
        found[header[1].lower()] = header[2].strip()
    return found


def otlp_from(
    given: argparse.Namespace, environment: Mapping[str, str], *, instance: str
) -> Otlp | None:
    """None without an endpoint. ValueError where flags or variables mean nothing."""
    headers = Path(given.otlp_headers_file) if given.otlp_headers_file else None
    ca_file = Path(given.otlp_ca_file) if given.otlp_ca_file else None
    if not given.otlp_endpoint:
        if headers or ca_file:
            raise ValueError("--otlp-headers-file and --otlp-ca-file need --otlp-endpoint")
        return None
    try:
        sample = float(given.otlp_sample)
    except ValueError:
        sample = -1.0
    queue = _whole(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)
    found = Otlp(
        endpoint=given.otlp_endpoint,
        headers_file=headers,
        ca_file=ca_file,
        sample=sample,
        service_name=given.otlp_service_name,
        instance=instance,
        pod=environment.get("POD_NAME", ""),
        namespace=environment.get("POD_NAMESPACE") or given.namespace,
        queue=queue,
        batch=_whole(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(64, queue)),
        every_s=_whole(environment, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
        metrics_every_s=_whole(environment, "OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000,
    )
    _check_files(found)
    if not _installed():
        raise ValueError("--otlp-endpoint needs the extra otel: pip install 'pointsman[otel]'")
    return found


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 10_000_000:
        raise ValueError(f"{name} must be a whole number from 1 to 10000000")
    return int(text)


def _check_files(otlp: Otlp) -> None:
    try:
        if otlp.headers_file is not None:
            read_headers(otlp.headers_file)
    except (OSError, ValueError) as error:
        raise ValueError(f"--otlp-headers-file: {error}") from None
    try:
        if otlp.ca_file is not None:
            otlp.ca_file.read_bytes()
    except OSError as error:
        raise ValueError(f"--otlp-ca-file: {error}") from None


def _installed() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
