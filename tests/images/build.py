"""Builds the images from Debian's packages, locked wheels and this tree, into a cache.

Each step has a folder named after the content of what it is made of, so that a change of the
sources repeats only the last one; a half-built folder is never seen.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from images import assemble, debian

from tests.images import compiling, oci
from tests.images.install import installed
from tests.perf.generator import cache

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "pointsman/{image}:{version}"
LIMIT_MB: Final = 150
"""Of `size`, in millions of bytes; the release workflow says the same."""
COMMANDS: Final = {image: [f"pointsman-{image}"] for image in assemble.IMAGES}
_SOURCES: Final = (
    "pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "crds", "operator", "router",
)  # fmt: skip
ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _content(*names: str) -> str:
    """A digest of the files and folders `names` of the tree."""
    found = hashlib.sha256()
    for name in names:
        place = ROOT / name
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in paths:
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _made(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of `key`; `make` fills it when the cache has none."""
    there = cache() / "images" / kind / key
    if there.exists():
        return there
    there.parent.mkdir(parents=True, exist_ok=True)
    with _lock(there.parent / f"{key}.lock"):
        if not there.exists():
            _say(f"{kind} ...")
            half = Path(tempfile.mkdtemp(dir=there.parent))
            try:
                half.chmod(0o755)
                make(half)
                half.rename(there)
            finally:
                shutil.rmtree(half, ignore_errors=True)
    return there


def _say(text: str) -> None:
    print(f"images: {text}", file=sys.stderr, flush=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def base(processor: str) -> Path:
    """Debian with its Python, unpacked."""

    def make(folder: Path) -> None:
        installed()
        debian.unpack(folder, processor=processor)
        python = interpreter(folder, processor)
        assemble.bytecode(folder, debian.standard(folder), python)

    key = _digest(processor, _content("images/debian.py", "images/packages.txt"))
    return _made("debian", key, make)


def interpreter(root: Path, processor: str) -> list[str]:
    """The command that runs the Python of a root of this machine's processor, from outside it."""
    if processor != assemble.processor_here():
        return interpreter(base(assemble.processor_here()), assemble.processor_here())
    machine = assemble.PROCESSORS[processor]
    loader = next((root / "usr/lib").glob(f"{machine}-linux-gnu/ld-linux-*.so.*"))
    command = [str(loader), "--library-path", str(loader.parent)]
    return ["env", f"PYTHONHOME={root}/usr", *command, f"{root}/usr/bin/python{debian.PYTHON}"]


def wheels(processor: str) -> Path:
    """Every locked wheel, checked by its hash."""
    locks = sorted(f"images/{path.name}" for path in (ROOT / "images").glob("*.lock"))

    def make(folder: Path) -> None:
        told = [part for lock in locks for part in ("-r", str(ROOT / lock))]
        command = assemble.pip(
            "download", "--require-hashes", "--dest", str(folder), *told, processor=processor
        )
        subprocess.run(command, check=True, timeout=900)

    return _made("wheels", _digest(processor, _content(*locks)), make)


def listed() -> str:
    """`sha256  name` of every locked wheel of both processors: what images/wheels.txt has."""
    found = {
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for processor in assemble.PROCESSORS
        for path in wheels(processor).glob("*.whl")
    }
    return "\n".join(sorted(found, key=lambda line: line.split()[1].lower())) + "\n"


def wheel(processor: str) -> Path:
    """Our own: its request path is compiled, where this machine can do that for `processor`."""
    lacking = compiling.lacking()
    root = None if lacking else builder(processor)

    def make(folder: Path) -> None:
        if root is not None:
            _say(f"the request path is compiled for {processor}, a minute and a half")
            compiling.compile_into(
                folder, root=root, processor=processor, sources=_SOURCES, epoch=oci.EPOCH
            )
            return
        _say(f"!! the request path of this image is not compiled: {lacking}")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(oci.EPOCH), "POINTSMAN_COMPILE": "0"}
        subprocess.run(
            command, cwd=ROOT, check=True, env=environment, stdout=sys.stderr, timeout=300
        )

    by = root.name if root is not None else "plain"
    key = _digest(by, _content(*_SOURCES, "tests/images/compiling.py"))
    (built,) = _made("wheel", key, make).glob("*.whl")
    return built


def builder(processor: str) -> Path:
    """The root that has the compiler for `processor`, and what runs it if it is another's."""
    made_of = _content("images/debian.py", "images/packages.txt", *compiling.LOCKS)

    def make(folder: Path) -> None:
        installed()
        compiling.lay_out(folder, processor)

    return _made("builder", _digest(processor, compiling.packages(processor), made_of), make)


def added(image: str, processor: str) -> Path:
    """What `image` has beyond the base: its dependencies, the wheel, its commands."""
    own, locked = wheel(processor), wheels(processor)
    is_other = processor != assemble.processor_here()

    def make(folder: Path) -> None:
        strip = compiling.strip(builder(processor), processor) if is_other else ()
        assemble.install(folder, image, own, processor=processor, wheels=locked, strip=strip)
        site = folder / assemble.SITE
        python = interpreter(base(processor), processor)
        native = site
        if is_other:  # what is imported, and its bytecode, are the same; nothing of it runs here
            native = added(image, assemble.processor_here()) / assemble.SITE
        used = assemble.imported(native, image, python)
        assemble.bytecode(folder, (site / path.relative_to(native) for path in used), python)

    parts = (
        image,
        processor,
        own.parent.name,
        _content("images/assemble.py", f"images/{image}.lock"),
    )
    return _made(f"{image}", _digest(*parts), make)


def version() -> str:
    """Of the tree, as the charts name it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def config(image: str) -> dict[str, object]:
    """What a container of `image` runs, and as whom."""
    return {
        "User": f"{debian.USER}:{debian.USER}",
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "Cmd": COMMANDS[image],
        "WorkingDir": "/",
    }


def archive(image: str, processor: str | None = None) -> Path:
    """The image as an OCI layout in a tar, `ctr images import` takes it."""
    processor = processor or assemble.processor_here()
    lower, upper = base(processor), added(image, processor)

    def make(folder: Path) -> None:
        layers = [oci.layer(lower), oci.layer(upper)]
        oci.write(
            folder / f"{image}.tar",
            name=f"docker.io/{NAME.format(image=image, version=version())}",
            layers=layers,
            config=config(image),
            processor=processor,
        )

    key = _digest(lower.name, upper.name, _content("tests/images/oci.py", "tests/images/build.py"))
    return _made(f"{image}-oci", key, make) / f"{image}.tar"


def size(*folders: Path) -> int:
    """Bytes of the files in them; a file with two names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() or path.is_symlink():
                found = path.lstat()
                seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())
