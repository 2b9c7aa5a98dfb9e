"""The images as they are run: by user 65532, with a root that cannot be written, and small."""

import base64
import csv
import hashlib
import shutil
import sys
import venv
from pathlib import Path

import pip
import pytest
from images import assemble, debian, sbom

from tests.images import build, inside, oci

pytestmark = [pytest.mark.local, pytest.mark.timeout(1200)]
COMMANDS = {
    "operator": ("pointsman-operator", "pointsman"),
    "router": ("pointsman-router", "pointsman-simulator"),
    "ledger": ("pointsman-ledger",),
}


@pytest.fixture(scope="module", params=assemble.IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """Each, built."""
    name: str = request.param
    inside.built(name, assemble.processor_here())
    return name


def test_the_commands_start_as_nobody_on_a_root_that_cannot_be_written(
    image: str, tmp_path: Path
) -> None:
    """Each tells its options; none writes a file for that."""
    for command in COMMANDS[image]:
        done = inside.ran(image, tmp_path, command, "--help")

        assert done.returncode == 0, done.stderr
        assert "usage: " in done.stdout


def test_nobody_can_write_anything_and_there_is_no_shell(image: str, tmp_path: Path) -> None:
    """Also without the mount: all files are root's."""
    program = (
        "import os, shutil, ssl, zoneinfo\n"
        "print(os.getuid(), shutil.which('sh'), shutil.which('apt'),"
        " len(ssl.create_default_context().get_ca_certs()) > 100,"
        " zoneinfo.ZoneInfo('Asia/Tokyo'))\n"
        "try:\n    open('/usr/local/new', 'w')\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    done = inside.ran(image, tmp_path, "python3", "-c", program)
    upper = build.added(image, assemble.processor_here())
    loose = [
        str(path)
        for path in upper.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o022
    ]

    assert done.stdout.splitlines() == [
        "65532 None None True Asia/Tokyo",
        "Read-only file system",
    ], done.stderr
    assert loose == []


def test_an_image_can_do_what_its_dependencies_are_for(image: str, tmp_path: Path) -> None:
    """What was left out of them is missed by none: each is imported and used once."""
    used = {
        "operator": "import kopf, numpy, kubernetes.aio.client as c, jsonschema_rs; "
        "numpy.linalg.solve(numpy.eye(3), numpy.ones(3)); c.Configuration(); c.ApiClient; ",
        "router": "import uvloop, httptools, re2, opentelemetry.sdk.trace; "
        "import opentelemetry.exporter.otlp.proto.http.trace_exporter; uvloop.new_event_loop(); ",
        "ledger": "import sqlite3, psycopg, jinja2, joserfc.jwt, uvloop; psycopg.pq.version(); ",
    }[image]
    program = (
        f"{used}from cel_expr_python import cel; "
        "import msgspec, pydantic, yaml, re2, jsonschema_rs; "
        "env = cel.NewEnv(variables={'x': cel.Type.INT}); "
        "print(env.compile('x + 1 == 2').eval(data={'x': 1}).value())"
    )
    done = inside.ran(image, tmp_path, "python3", "-c", program)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"


def test_the_router_runs_its_request_path_compiled(image: str, tmp_path: Path) -> None:
    """As the Dockerfile makes it; nobody else has what would not be used."""
    program = "import pointsman.router.serve.app as app; print(app.__file__)"
    done = inside.ran(image, tmp_path, "python3", "-c", program)
    upper = build.added(image, assemble.processor_here())

    assert done.stdout.strip().endswith(".so") == (image == "router"), done.stderr
    assert any(upper.rglob("pointsman__mypyc.*.so")) == (image == "router")


def test_nothing_is_compiled_when_a_command_starts(image: str, tmp_path: Path) -> None:
    """Its own modules lie there as bytecode: a pod could not keep what it compiles."""
    program = (
        f"import sys, pointsman.{image}.__main__; files = "
        "[getattr(module, '__file__', None) for module in sys.modules.values()]; "
        "print(*filter(None, files), sep='\\n')"
    )
    done = inside.ran(image, tmp_path, "python3", "-v", "-c", program)
    made = [
        line
        for line in done.stderr.splitlines()
        if line.startswith("# code object from /") or "code object from '/" in line
    ]
    # A module whose import failed is in no list of those that are imported; sitecustomize is a
    # link that leads nowhere outside the image.
    loaded = {*done.stdout.splitlines()} - {"/usr/lib/python3.13/sitecustomize.py"}
    fresh = [line for line in made if line.rpartition(" ")[2].strip("'") in loaded]

    assert done.returncode == 0, done.stderr[-2000:]
    assert len(made) > 100
    assert len(loaded) > 100
    assert fresh == []


def test_an_image_is_at_most_150_mb(image: str) -> None:
    """Unpacked, as it lies on a node; `python -m tests.images build` prints it."""
    here = assemble.processor_here()
    size = build.size(build.base(here), build.added(image, here))

    assert size / 1e6 <= build.LIMIT_MB


def test_the_archive_is_an_oci_layout_that_says_who_runs_what(image: str) -> None:
    """Every blob has the digest that it is named after; nothing of the builder's is in it."""
    told = oci.read(build.archive(image))

    assert told.listed["annotations"]["io.containerd.image.name"].startswith(
        f"docker.io/pointsman/{image}:"
    )
    assert told.config["config"]["User"] == "65532:65532"
    assert told.config["config"]["Cmd"] == [f"pointsman-{image}"]
    assert told.config["rootfs"]["diff_ids"] == told.diffs
    base = build.base(assemble.processor_here())
    assert [
        name for name in ("etc/resolv.conf", "etc/apt", "etc/hostname") if (base / name).exists()
    ] == []


def test_what_is_installed_is_the_same_wherever_it_is_made(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its own folder nor the wheel's nor that of pip's Python is told anywhere."""
    here = assemble.processor_here()
    venv.create(tmp_path / "venv", with_pip=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(pip.__file__).parents[1]))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    copied = Path(shutil.copy2(build.wheel(here), tmp_path))
    again = tmp_path / "root"
    assemble.install(again, image, copied, processor=here, wheels=build.wheels(here))

    def content(root: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }

    first, second = content(build.added(image, here)), content(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_what_is_recorded_is_what_is_there(image: str) -> None:
    """Scanners and `importlib.metadata` read it: no line without its file, each digest true."""
    site = build.added(image, assemble.processor_here()) / assemble.SITE
    records = sorted(site.glob("*.dist-info/RECORD"))
    wrong = []
    for record in records:
        for name, digest, size in csv.reader(record.read_text().splitlines()):
            content = (site / name).read_bytes()
            told = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            if site / name != record and (f"sha256={told}", str(len(content))) != (
                f"{digest}=",
                size,
            ):
                wrong.append(name)

    assert len(records) > 1
    assert wrong == []


def test_the_bill_names_every_locked_package_and_debians(image: str) -> None:
    """And each of Debian's has its license text in the image."""
    here = assemble.processor_here()
    layers = build.base(here), build.added(image, here)
    told = sbom.document(layers, name=image, made=0)
    named = {package["name"].lower().replace("_", "-") for package in told["packages"]}
    lock = (build.ROOT / f"images/{image}.lock").read_text()
    pinned = {line.split("==")[0] for line in lock.splitlines() if "==" in line and line[0] != " "}
    installed = {fields["Package"] for fields in sbom.debian_packages(*layers)}

    assert pinned <= named
    assert set(debian.packages()) <= installed <= named
    assert "pointsman" in named
    texts = build.base(here) / "usr/share/doc"
    assert [name for name in sorted(installed) if not (texts / name).exists()] == []
