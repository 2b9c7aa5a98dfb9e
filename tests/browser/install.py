"""Debian's Chromium with its driver, installed by root where apt is; axe-core by its npm lock."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.sdk import node


class NoBrowser(Exception):
    """Browser tests cannot run here; the message says why."""


class Programs(NamedTuple):
    """Where they are."""

    browser: str
    driver: str


def found() -> Programs:
    """Raises NoBrowser."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise NoBrowser("not installed (Debian: apt-get install chromium chromium-driver)")
    return Programs(browser, driver)


def installed() -> Programs:
    """Installs them if that is possible (a minute)."""
    try:
        return found()
    except NoBrowser:
        if os.geteuid() or shutil.which("apt-get") is None:
            raise
    _apt("update")
    _apt("install", "-y", "--no-install-recommends", "chromium", "chromium-driver", "fonts-inter")
    return found()


def axe_source() -> Path:
    """axe-core's script; the first call installs it (seconds)."""
    try:
        return node.installed(Path(__file__).with_name("node")) / "node_modules/axe-core/axe.min.js"
    except node.NoNode as error:
        raise NoBrowser(f"no axe-core: {error}") from None


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            ["apt-get", "-q", *arguments], check=False, capture_output=True, text=True,
            timeout=600, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoBrowser(f"apt-get {arguments[0]} took longer than 10 minutes") from None
    if done.returncode:
        raise NoBrowser(f"apt-get {arguments[0]}: {done.stderr.strip()[-1000:]}")
