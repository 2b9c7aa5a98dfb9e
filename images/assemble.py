"""Lays out the files of an image, for the Dockerfile and for `python -m tests.images`.

`assemble.py debian ROOT` unpacks packages.txt into ROOT; `install ROOT IMAGE WHEEL` adds IMAGE's
locked dependencies, the wheel and its commands. Nothing of the image is run, so an image of
another processor is laid out as well. What is laid out is the same each time: no dates, no bytecode
that remembers any. Needs mmdebstrap, pip and Python 3.11; raises CalledProcessError if one fails.
"""

import argparse
import base64
import configparser
import csv
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

# The Dockerfile runs this as a file.
sys.path.insert(0, str(Path(__file__).parents[1]))

from images.debian import HERE, PYTHON, standard, unpack

IMAGES: Final = ("operator", "router", "ledger")
SITE: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
PROCESSORS: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's and Docker's name of a processor -> the one in names of wheels."""
_GLIBC_MINOR: Final = 41
"""Of the release; wheels for an older one run on it."""


_NEVER_RUN: Final = (
    "bin", "bazel-project", "*/tests", "*/test", "numpy/**/tests", "numpy/f2py", "numpy/random",
    "pydantic/v1", "numpy/**/*.a",
    "numpy/_core/_simd.*.so", "numpy/_core/_*_tests.*.so", "tzdata/zoneinfo",
    "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h",
    "cel_expr_python/ext",
    "kubernetes/client/api/*_api.py", "kubernetes/aio/client/api/*_api.py",
    "kubernetes/client/models/v*.py", "kubernetes/aio/client/models/v*.py",
)  # fmt: skip
"""Of the dependencies: what nobody imports here. The Kubernetes client's types of every kind alone
are 110 MB; we read and write objects as JSON. Debian has the time zones."""
_KEPT: Final = {"v1_managed_fields_entry.py", "v1_object_meta.py", "v1_owner_reference.py"}
"""kopf imports these."""


def pip(verb: str, *arguments: str, processor: str) -> list[str]:
    """The command that takes only wheels for the image's Python and `processor`."""
    machine = PROCESSORS[processor]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={PYTHON}", *(f"--platform={name}" for name in platforms)]
    return [*command, *arguments]


def processor_here() -> str:
    """This machine's processor, as Debian calls it."""
    machine = os.uname().machine
    return next(name for name, other in PROCESSORS.items() if other == machine)


def install(
    root: Path,
    lock: str,
    wheel: Path,
    *,
    processor: str,
    wheels: Path | None,
    strip: Sequence[str] = (),
) -> None:
    """
    Add to `root` what images/`lock`.lock names; from `wheels`, or the registry if it is None.

    `strip` is the command for libraries of `processor`, if it is another than the one on PATH.
    """
    site = root / SITE
    source = [] if wheels is None else ["--no-index", f"--find-links={wheels}"]
    locked = ["--no-compile", "--require-hashes", *source, "-r", str(HERE / f"{lock}.lock")]
    locked += ["--ignore-requires-python"]  # pip would ask the Python that runs it
    target = ["--target", str(site)]
    subprocess.run(pip("install", *locked, *target, processor=processor), check=True)
    # By its name: of a file's path pip would keep the folder.
    name, version = wheel.name.split("-")[:2]
    own = ["--no-compile", "--no-index", f"--find-links={wheel.parent}", f"{name}=={version}"]
    subprocess.run(pip("install", *own, *target, processor=processor), check=True)
    for place in _NEVER_RUN:
        for found in [path for path in site.glob(place) if path.name not in _KEPT]:
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    if lock != "router":  # what is compiled is the request path, and its sources are there
        for library in [*site.glob("pointsman/**/*.so"), *site.glob("pointsman__mypyc.*.so")]:
            library.unlink()
    _strip(site, strip or [_stripper(PROCESSORS[processor])])
    _record(site)
    _commands(root)


def _stripper(machine: str) -> str:
    return "strip" if os.uname().machine == machine else f"{machine}-linux-gnu-strip"


def _strip(site: Path, command: Sequence[str]) -> None:
    """Take symbols out that only a debugger reads: 12 MB of uvloop alone."""
    if shutil.which(command[0]) is None:
        print(f"!! {command[0]} is not installed: the image is larger", file=sys.stderr)
        return
    for library in site.glob("**/*.so*"):
        # Libraries in `*.libs` had their tables moved by auditwheel, which strip does not expect.
        if not library.parent.name.endswith(".libs"):
            subprocess.run([*command, "--strip-unneeded", str(library)], check=True)


def _record(site: Path) -> None:
    """Let each RECORD tell what is there.

    pip's told commands by a digest that has the path of the Python that ran pip, files that are
    not kept, and libraries before they were stripped.
    """
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(newline="") as lines:
            names = [row[0] for row in csv.reader(lines)]
        with record.open("w", newline="") as lines:
            out = csv.writer(lines, lineterminator="\n")
            for name in names:
                path = site / name
                if path == record:
                    out.writerow([name, "", ""])
                elif not name.startswith("../") and path.exists():
                    content = path.read_bytes()
                    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                    out.writerow([name, f"sha256={digest.decode().rstrip('=')}", len(content)])


def _commands(root: Path) -> None:
    """The wheel's own console scripts, on PATH; none of what it stands on."""
    (points,) = (root / SITE).glob("pointsman-*.dist-info/entry_points.txt")
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(points)
    folder = root / "usr/local/bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in parser["console_scripts"].items():
        module, function = place.split(":")
        script = folder / name
        script.write_text(
            f"#!/usr/bin/python3\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        script.chmod(0o755)


def bytecode(root: Path, files: Iterable[Path], python: Sequence[str]) -> None:
    """Compile `files` of `root` by the command `python`, an interpreter like the image's.

    A pod's root is read-only: it could never keep what it compiles, and would do it at each start.
    """
    flags = [
        "-q",
        "-q",
        "--invalidation-mode=unchecked-hash",
        "-s",
        str(root),
        "-p",
        "/",
        "-i",
        "-",
    ]
    listed = "\n".join(str(path) for path in sorted(files))
    subprocess.run(
        [*python, "-m", "compileall", *flags], check=False, input=listed, text=True, cwd=root
    )


def imported(site: Path, image: str, python: Sequence[str]) -> list[Path]:
    """The files of `site` that the command of `image` imports when it starts."""
    names = [f"pointsman.{image}.__main__"]
    names += ["pointsman.simulator.__main__"] if image == "router" else []
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import {', '.join(names)}; "
        "files = [getattr(m, '__file__', None) for m in sys.modules.values()]; "
        "print(*filter(None, files), sep='\\n')"
    )
    done = subprocess.run(
        [*python, "-B", "-s", "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    own = f"{site}/"
    return [
        Path(line)
        for line in done.stdout.splitlines()
        if line.startswith(own) and line.endswith(".py")
    ]


def main() -> None:
    """What the Dockerfile calls; its Python is the image's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    base = verbs.add_parser("debian")
    add = verbs.add_parser("install")
    for verb in (base, add):
        verb.add_argument("root", type=Path)
        verb.add_argument("--processor", choices=PROCESSORS, default=processor_here())
    add.add_argument("image", choices=IMAGES)
    add.add_argument("wheel", type=Path)
    add.add_argument("--extra", default="", help="keda, for the operator")
    told = parser.parse_args()
    if told.verb == "debian":
        unpack(told.root, processor=told.processor)
        bytecode(told.root, standard(told.root), [sys.executable])
    else:
        lock = f"{told.image}-{told.extra}" if told.extra else told.image
        install(told.root, lock, told.wheel, processor=told.processor, wheels=None)
        used = imported(told.root / SITE, told.image, [sys.executable])
        bytecode(told.root, used, [sys.executable])


if __name__ == "__main__":
    main()
