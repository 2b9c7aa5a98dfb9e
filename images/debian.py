"""The lower layer of every image: Debian and its Python, unpacked into a folder, nothing of it run.

Scanners find the packages where they look for them, in var/lib/dpkg/status. What belongs to the
machine that unpacks them is taken out. Needs mmdebstrap; raises CalledProcessError if it fails.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
RELEASE: Final = "trixie"
PYTHON: Final = "3.13"
"""Debian's own in that release: its security updates are Debian's."""
USER: Final = 65532
_LEFT_OUT: Final = (
    "/usr/bin/openssl", "/usr/bin/c_rehash", "/usr/bin/dpkg*", "/usr/bin/deb*", "/usr/bin/tar",
    "/usr/bin/mawk", "/usr/bin/update-alternatives", "/usr/lib/*/libdb-5.3.so",
    "/usr/share/polkit-1/*", "/usr/share/pixmaps/*", "/usr/share/readline/*",
    "/usr/share/doc/*/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/lintian/*",
    "/usr/lib/*/gconv/*", "/usr/share/info/*", "/usr/share/perl5/*", "/usr/share/debconf/*",
    "/usr/share/bash-completion/*",
    f"/usr/lib/python{PYTHON}/lib-dynload/_test*", f"/usr/lib/python{PYTHON}/test/*",
    f"/usr/lib/python{PYTHON}/pydoc_data/*",
    f"/usr/lib/python{PYTHON}/ensurepip/*",
)  # fmt: skip
_STATUS: Final = (
    'for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -f "$deb"; echo; done'
    ' > "$1"/var/lib/dpkg/status'
)
_FILES: Final = {
    "etc/passwd": (
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"pointsman:x:{USER}:{USER}:pointsman:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": f"root:x:0:\npointsman:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


_OF_THE_BUILDER: Final = (
    "dev", "etc/apt", "etc/fstab", "etc/hostname", "etc/resolv.conf", "var/cache",
    "var/lib/apt", "var/log",
)  # fmt: skip

_SELDOM: Final = {
    "curses", "doctest.py", "idlelib", "pdb.py", "pydoc_data", "test",
    "tkinter", "turtle.py", "unittest", "venv", "xmlrpc",
}  # fmt: skip
_ENCODINGS: Final = {"__init__", "aliases", "ascii", "idna", "latin_1", "punycode", "utf_8"}


def packages() -> list[str]:
    """What packages.txt names."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def unpack(root: Path, *, processor: str, beside: Sequence[str] = ()) -> None:
    """
    Unpack Debian and its Python into the empty folder `root`; no script of a package runs.

    With the packages `beside`, which no image has; `NAME:arm64` is one of another processor.
    """
    processors = dict.fromkeys([processor, *(name.partition(":")[2] for name in beside)])
    command = ["mmdebstrap", "--quiet", "--variant=extract"]
    command += [f"--architectures={','.join(filter(None, processors))}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    command += [f"--extract-hook={_STATUS}", f"--include={','.join([*packages(), *beside])}"]
    subprocess.run([*command, RELEASE, str(root)], check=True)
    status = root / "var/lib/dpkg/status"
    installed = re.sub(
        r"^(Package: .*)$",
        r"\1\nStatus: install ok installed",
        status.read_text(),
        flags=re.MULTILINE,
    )
    status.write_text(installed)
    for name, text in _FILES.items():
        (root / name).write_text(text)
    _trust(root)
    for name in _OF_THE_BUILDER:
        place = root / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    (root / "dev").mkdir()


def _trust(root: Path) -> None:
    """What ca-certificates' script does: one file of all, where OpenSSL looks for it."""
    found = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.write_text("".join(path.read_text() for path in found))
    named = root / "usr/lib/ssl/cert.pem"
    named.unlink(missing_ok=True)
    named.symlink_to("/etc/ssl/certs/ca-certificates.crt")


def standard(root: Path) -> list[Path]:
    """What the commands may import of Python's own library."""
    library = root / f"usr/lib/python{PYTHON}"
    return [
        path
        for path in library.rglob("*.py")
        if path.relative_to(library).parts[0] not in _SELDOM
        and (path.parent.name != "encodings" or path.stem in _ENCODINGS)
    ]
