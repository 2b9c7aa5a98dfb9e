"""What this machine lacks to run real pods; Debian's packages are installed where they can be."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

PACKAGES: Final = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "dnsmasq": "dnsmasq-base",
}
"""Program: the Debian package that brings it."""
CONTROLLERS: Final = frozenset({"cpu", "cpuacct", "cpuset", "memory", "pids"})
"""What a kubelet v1.37 and runc need of cgroups version 1."""


class NoPods(Exception):
    """Real pods cannot run here; the message says what is missing."""


def missing_programs() -> list[str]:
    """Debian packages whose program is not there."""
    return sorted(
        {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    )


def lacks(*, root: bool, linux: bool, controllers: frozenset[str] | None) -> str:
    """Why not, or nothing. `controllers`: of cgroups version 1; None where there is version 2."""
    if not linux:
        return "pods need Linux"
    if not root:
        return "pods need root: containerd and kubelet mount, and write cgroups"
    if controllers is not None and (absent := CONTROLLERS - controllers):
        return f"cgroup controllers are not mounted: {', '.join(sorted(absent))}"
    return ""


def mounted_controllers(root: Path = Path("/sys/fs/cgroup")) -> frozenset[str] | None:
    """Of version 1, by their mount points; None: version 2 holds them."""
    if (root / "cgroup.controllers").exists():
        return None
    if not root.is_dir():
        return frozenset()
    return frozenset(path.name for path in root.iterdir() if (path / "tasks").exists())


def snapshotter(filesystems: Path = Path("/proc/filesystems")) -> str:
    """containerd's: overlayfs where the kernel has it, else copies."""
    return "overlayfs" if "\toverlay\n" in filesystems.read_text() else "native"


def remove(folder: Path) -> None:
    """With all in it."""
    shutil.rmtree(folder, ignore_errors=True)


def prepare() -> None:
    """Raise NoPods, or have everything; installs packages where apt is (a minute, once)."""
    linux = Path("/proc/filesystems").exists()
    why = lacks(root=os.geteuid() == 0, linux=linux, controllers=mounted_controllers())
    if why:
        raise NoPods(why)
    wanted = missing_programs()
    if wanted and shutil.which("apt-get"):
        _apt("update")
        # Nothing may start by itself: a package's service would be a second containerd.
        _apt("install", "-y", "--no-install-recommends", *wanted)
    if still := missing_programs():
        raise NoPods(f"not installed: {', '.join(still)} (Debian packages)")


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            ["apt-get", "-q", *arguments],
            check=False, capture_output=True, text=True, timeout=600, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoPods(f"apt-get {arguments[0]} took longer than 10 minutes") from None
    if done.returncode:
        raise NoPods(f"apt-get {arguments[0]}: {done.stderr.strip()[-1000:]}")
