"""Flags and OpenTelemetry's variables: what is taken, and what is refused before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.router.settings import parse
from pointsman.router.settings_otlp import Otlp, read_headers

BASE = ["--callers=Open", "--namespace=demo"]
URL = "--otlp-endpoint=http://collector:4318"


def otlp(*flags: str, **environment: str) -> Otlp | None:
    """What comes of them."""
    return parse([*BASE, *flags], environment).otlp


def test_off_unless_asked_for() -> None:
    """OpenTelemetry's own variable for the endpoint alone switches nothing on."""
    assert otlp(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318") is None
    assert otlp(POINTSMAN_OTLP_ENDPOINT="http://collector:4318") is not None


def test_defaults_and_the_environment() -> None:
    """The pod says who it is; queue, batch and pauses have OpenTelemetry's names."""
    found = otlp(URL, POD_NAME="router-7", POD_NAMESPACE="ai")
    assert found is not None
    assert (found.sample, found.queue, found.batch) == (0.1, 2048, 64)
    assert (found.every_s, found.metrics_every_s) == (5.0, 60.0)
    assert (found.instance, found.pod, found.namespace) == ("router-7", "router-7", "ai")
    found = otlp(
        URL,
        "--otlp-sample=1",
        "--otlp-service-name=desk",
        OTEL_BSP_MAX_QUEUE_SIZE="50",
        OTEL_BSP_SCHEDULE_DELAY="250",
        OTEL_METRIC_EXPORT_INTERVAL="10000",
    )
    assert found is not None
    assert (found.sample, found.service_name) == (1.0, "desk")
    assert (found.queue, found.batch) == (50, 50)
    assert (found.every_s, found.metrics_every_s) == (0.25, 10.0)
    assert found.pod == ""


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        (["--otlp-endpoint=collector:4318"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=ftp://collector"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=http://"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=http://c:99999"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=http://[c"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=http://c/?key=1"], {}, "--otlp-endpoint must be a URL"),
        (["--otlp-endpoint=http://u:secret@c"], {}, "--otlp-headers-file"),
        ([URL, "--otlp-sample=2"], {}, "--otlp-sample"),
        ([URL, "--otlp-sample=nan"], {}, "--otlp-sample"),
        ([URL, "--otlp-sample=all"], {}, "--otlp-sample"),
        ([URL, "--otlp-headers-file=/nowhere"], {}, "--otlp-headers-file"),
        ([URL, "--otlp-ca-file=/nowhere"], {}, "--otlp-ca-file"),
        (["--otlp-ca-file=/nowhere"], {}, "need --otlp-endpoint"),
        (["--otlp-headers-file=/nowhere"], {}, "need --otlp-endpoint"),
        ([URL], {"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE"),
        ([URL], {"OTEL_BSP_SCHEDULE_DELAY": "-5"}, "OTEL_BSP_SCHEDULE_DELAY"),
        ([URL], {"OTEL_METRIC_EXPORT_INTERVAL": "1s"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ([URL], {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    ],
)
def test_what_means_nothing_is_refused(
    flags: list[str],
    environment: dict[str, str],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 2 and the name; no secret is repeated."""
    with pytest.raises(SystemExit, match="2"):
        otlp(*flags, **environment)
    said = capsys.readouterr().err.splitlines()[-1]
    assert named in said
    assert "secret" not in said


def test_headers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One a line; what is none is named by its line, without what stands there."""
    path = tmp_path / "headers"
    path.write_text("Authorization:  Bearer a:b=c \r\n\nX-Scope-OrgID: 7\n")
    assert read_headers(path) == {"authorization": "Bearer a:b=c", "x-scope-orgid": "7"}
    for bad in ("secret", "a: b\nsecret b: c", "a: secret\x00", "a: secrét"):
        path.write_text(bad)
        with pytest.raises(SystemExit, match="2"):
            otlp(URL, f"--otlp-headers-file={path}")
        said = capsys.readouterr().err.splitlines()[-1]
        assert "line " in said
        assert "secret" not in said


def test_without_the_extra_the_flag_says_what_is_missing() -> None:
    """Before anything is served."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from pointsman.router.settings import parse\n"
        f"print(parse({BASE!r}, {{}}).otlp)\n"
        f"parse({[*BASE, URL]!r}, {{}})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "None\n"
    assert done.returncode == 2
    assert "pip install 'pointsman[otel]'" in done.stderr
