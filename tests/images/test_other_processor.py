"""The images of the processor that this machine does not have: theirs throughout, and they run.

They are made as this machine's are, but by a cross compiler; an emulator runs them. How fast they
are on a real one it cannot show.
"""

import re
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from images import assemble, sbom

from tests.images import build, inside, oci
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    entry,
    manifest,
    manifest_object,
    policy,
    slice_object,
)
from tests.router.control.process import RouterProcess
from tests.simulator.running import chat, simulated
from tests.support.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig

pytestmark = [pytest.mark.local, pytest.mark.timeout(1200)]

HERE: Final = assemble.processor_here()
OTHER: Final = next(name for name in assemble.PROCESSORS if name != HERE)
MACHINE: Final = assemble.PROCESSORS[OTHER]
ELF_MACHINES: Final = {"amd64": 62, "arm64": 183}
"""EM_X86_64 and EM_AARCH64 of elf.h."""
USES: Final = {
    "operator": "import kopf, numpy, kubernetes.aio.client; numpy.linalg.inv(numpy.eye(3))",
    "router": "import uvloop, httptools, re2; uvloop.new_event_loop()",
    "ledger": "import sqlite3, psycopg, jinja2, uvloop; psycopg.pq.version()",
}


@pytest.fixture(scope="module", params=assemble.IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """Each, built for the other processor."""
    name: str = request.param
    inside.built(name, OTHER)
    return name


def layers(image: str, processor: str = OTHER) -> tuple[Path, Path]:
    """What it is made of."""
    return build.base(processor), build.added(image, processor)


def files(image: str) -> Iterator[Path]:
    """Of both layers."""
    for layer in layers(image):
        yield from (path for path in layer.rglob("*") if path.is_file() and not path.is_symlink())


def elf_machine(path: Path) -> int | None:
    """What an ELF file says it runs on (`e_machine`, both are little-endian); None: no ELF file."""
    with path.open("rb") as file:
        head = file.read(20)
    return struct.unpack_from("<H", head, 18)[0] if head[:4] == b"\x7fELF" else None


def test_every_program_and_library_is_of_that_processor(image: str) -> None:
    """By its ELF header, not by its name; names say the same."""
    found = {str(path): elf_machine(path) for path in files(image)}
    programs = {name: machine for name, machine in found.items() if machine is not None}
    suffixes = {
        said[1] for name in found if (said := re.search(r"\.cpython-\d+-(\S+)-linux-gnu\.so", name))
    }

    assert len(programs) > 100
    assert {n: m for n, m in programs.items() if m != ELF_MACHINES[OTHER]} == {}
    assert suffixes == {MACHINE}


def test_every_wheel_is_for_it_or_for_any(image: str) -> None:
    """As each says in its own WHEEL."""
    tags = {
        path.parent.name: re.findall(r"^Tag: (\S+)", path.read_text(), re.MULTILINE)
        for path in layers(image)[1].rglob("*.dist-info/WHEEL")
    }

    assert len(tags) > 10
    assert all(tags.values())
    assert {
        name: tag
        for name, many in tags.items()
        for tag in many
        if not tag.endswith(("-any", f"_{MACHINE}"))
    } == {}


def test_the_archive_says_which_processor_it_is_for(image: str) -> None:
    """In its index, by which a node chooses, and in its config; it runs what it runs here."""
    told = oci.read(build.archive(image, OTHER))

    assert told.listed["platform"] == {"architecture": OTHER, "os": "linux"}
    assert (told.config["architecture"], told.config["os"]) == (OTHER, "linux")
    assert told.config["config"] == build.config(image)
    assert told.config["config"]["User"] == "65532:65532"
    assert told.config["rootfs"]["diff_ids"] == told.diffs


def test_it_is_at_most_150_mb_and_nobody_becomes_anybody_or_writes(image: str) -> None:
    """Unpacked, as on a node; no file is setuid or setgid, or open to all."""
    loose = [
        str(path)
        for layer in layers(image)
        for path in layer.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & (0o6002 if path.is_file() else 0)
    ]

    assert build.size(*layers(image)) / 1e6 <= build.LIMIT_MB
    assert loose == []


def test_the_bill_names_what_this_machines_does(image: str) -> None:
    """Each of Python's packages in the same version, each of Debian's of that processor."""
    there, here = (
        sbom.document(layers(image, processor), name=image, made=0)["packages"]
        for processor in (OTHER, HERE)
    )
    addresses = [package["externalRefs"][0]["referenceLocator"] for package in there]
    of_debian = [address for address in addresses if address.startswith("pkg:deb/")]

    def python(packages: list[dict[str, str]]) -> set[tuple[str, str]]:
        named = [package for package in packages if "-pypi-" in package["SPDXID"]]
        return {(package["name"], package["versionInfo"]) for package in named}

    assert python(there) == python(here)
    assert {package["name"] for package in there} == {package["name"] for package in here}
    assert len(of_debian) > 20
    assert [one for one in of_debian if not re.search(rf"\?arch=({OTHER}|all)&", one)] == []


def test_our_wheel_has_the_same_sources_and_as_much_compiled(image: str) -> None:
    """Byte for byte; what is compiled has the same names but for the processor's."""
    with (
        zipfile.ZipFile(build.wheel(OTHER)) as other,
        zipfile.ZipFile(build.wheel(HERE)) as own,
    ):
        there, here = (
            {
                name.replace(machine, "MACHINE"): wheel.read(name)
                for name in wheel.namelist()
                if not name.endswith((".dist-info/WHEEL", ".dist-info/RECORD"))
            }
            for wheel, machine in ((other, MACHINE), (own, assemble.PROCESSORS[HERE]))
        )
    compiled = {name for name in there if name.endswith(".so")}

    assert there.keys() == here.keys()
    assert {name for name in there if there[name] != here[name]} == compiled
    assert len(compiled) > 10
    assert any(layers(image)[1].rglob("pointsman__mypyc.*.so")) == (image == "router")


def test_its_commands_start_as_nobody(image: str, tmp_path: Path) -> None:
    """Under an emulator; each tells its options."""
    done = inside.ran(image, tmp_path, f"pointsman-{image}", "--help", processor=OTHER)

    assert done.returncode == 0, done.stderr
    assert f"usage: pointsman-{image}" in done.stdout


def test_its_libraries_work(image: str, tmp_path: Path) -> None:
    """Those that are not Python are loaded and used once, by its own Python."""
    program = (
        f"{USES[image]}\n"
        "import msgspec, os, platform, ssl, yaml, jsonschema_rs\n"
        "from cel_expr_python import cel\n"
        "env = cel.NewEnv(variables={'x': cel.Type.INT})\n"
        "print(platform.machine(), os.getuid(), ssl.create_default_context().verify_mode.name,\n"
        "      env.compile('x + 1 == 2').eval(data={'x': 1}).value())\n"
    )
    done = inside.ran(image, tmp_path, "python3", "-c", program, processor=OTHER)

    assert done.stdout.split() == [MACHINE, "65532", "CERT_REQUIRED", "True"], done.stderr


@contextmanager
def router(folder: Path, *options: str) -> Iterator[RouterProcess]:
    """The command of the router's image, as a process of the other processor."""
    command, environment = inside.entering(
        *("router", folder, "pointsman-router", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"),
        *("--state-dir=/tmp/state", "--keys-dir=/tmp/keys", f"--namespace={NAMESPACE}"),
        *("--shutdown-delay-seconds=0", "--callers=Open", "--admin-auth=none", *options),
        processor=OTHER,
    )
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield RouterProcess(process)
    finally:
        process.kill()
        process.wait(timeout=30)
        if process.stderr is not None:
            process.stderr.close()


async def test_its_router_is_compiled_and_routes(tmp_path: Path) -> None:
    """It takes its table from an API server, sends a request to a backend, and ends by SIGTERM."""
    inside.built("router", OTHER)
    blob = policy()
    folder = inside.shared(tmp_path)
    folder.mkdir()
    async with FakeApi() as api, simulated() as backend, aiohttp.ClientSession() as session:
        api.put(slice_object(addresses=("127.0.0.1",), port=backend.port))
        api.put(blob_object(blob))
        api.put(manifest_object(manifest(1, entry(blob))))
        write_kubeconfig(folder, api.url).chmod(0o644)
        with router(tmp_path, "--kubeconfig=/tmp/kubeconfig") as process:
            await process.until_ready(lambda ready: ready["table"] == "confirmed")
            asked = chat() | {"model": "support-auto"}
            async with session.post(f"{process.url}/v1/chat/completions", json=asked) as answer:
                said = await answer.json()
                status, headers = answer.status, dict(answer.headers)
            assert process.stop() == 0

    assert (status, said["choices"][0]["message"]["role"]) == (200, "assistant"), said
    assert headers.get("x-pointsman-backend") == "small", headers


def test_its_request_path_is_compiled(tmp_path: Path) -> None:
    """What the router runs is the library, under the name that belongs to the processor."""
    inside.built("router", OTHER)
    program = (
        "import pointsman.router.serve.app as app; from pathlib import Path\n"
        "print(app.code(), Path(app.__file__).name)"
    )
    done = inside.ran("router", tmp_path, "python3", "-c", program, processor=OTHER)

    assert done.stdout.split() == ["compiled", f"app.cpython-313-{MACHINE}-linux-gnu.so"], (
        done.stderr
    )
