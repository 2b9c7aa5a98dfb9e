"""Debian's package, installed by root where apt is; without the cluster that it would start."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.postgres.cluster import NoPostgres, programs

_CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")


def installed() -> Path:
    """Where PostgreSQL's programs are; installs them if that is possible (a minute)."""
    try:
        return programs()
    except NoPostgres:
        if os.geteuid() or shutil.which("apt-get") is None:
            raise
    _apt("update")
    _apt("install", "-y", "--no-install-recommends", "postgresql-common")
    _CLUSTERS.write_text("create_main_cluster = false\n")
    _apt("install", "-y", "--no-install-recommends", "postgresql")
    return programs()


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", "-o", "Dpkg::Options::=--force-confold", *arguments]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=600, env=environment
        )
    except subprocess.TimeoutExpired:
        raise NoPostgres(f"apt-get {arguments[0]} took longer than 10 minutes") from None
    if done.returncode:
        raise NoPostgres(f"apt-get {arguments[0]}: {done.stderr.strip()[-1000:]}")
