"""Debian's mmdebstrap, installed by root where apt is; elsewhere it is said why not."""

import os
import shutil
import subprocess

PACKAGE = "mmdebstrap"


class NoImages(Exception):
    """Why images cannot be built here."""


def installed() -> None:
    """Have mmdebstrap on PATH; installs it if that is possible (a minute). Raises NoImages."""
    if shutil.which(PACKAGE):
        return
    if os.geteuid() or shutil.which("apt-get") is None:
        raise NoImages(f"{PACKAGE} is not installed, and only root can where apt-get is")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(
            ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
            env=environment,
        )
        if done.returncode:
            raise NoImages(f"apt-get {arguments[0]}: {done.stderr.strip()[-1000:]}")
