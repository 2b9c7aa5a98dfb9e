"""The proxies that are compared, each started in front of two backends.

Guarantees that what is not there is said aloud with its reason, never left out in silence.
"""

import subprocess

import hatch_build

from tests import compiled
from tests.images.install import NoImages
from tests.perf.peers import debian, locked, portkey
from tests.perf.peers.ours import COMPILED, IN_IMAGE, OURS, in_image, ours
from tests.perf.peers.proxy import Proxy, Start, free_port

__all__ = ["AI", "OURS", "SLOW", "Proxy", "Start", "available", "free_port", "ours", "versions"]

SLOW = ("litellm", "portkey")
"""Measured with PEERS=all only: they take minutes. They write JSON anew, so texts are compared."""
AI = ("sglang-router", "vllm-router", *SLOW)
"""Peers that are routers for models."""


def versions() -> dict[str, str]:
    """Of all that is compared, there or not."""
    found = {name: debian.version(name) for name in debian.STARTS}
    here = {name: version for name, version in found.items() if version}
    here |= locked.versions(locked.ROUTERS, "-router")
    return here | locked.versions(locked.LITELLM, "litellm") | {"portkey": portkey.version()}


def _debian(wanted: list[str]) -> dict[str, Start]:
    starts: dict[str, Start] = {}
    for name, starting in debian.STARTS.items():
        path = debian.found(name) if name in wanted else None
        if path:
            starts[name] = starting(path)
        elif name in wanted:
            why = f"not installed (apt-get install {debian.PACKAGES[name]})"
            print(f"!! skipped: {name}: {why}: NO ratio to it")
    return starts


def _locked(wanted: list[str]) -> dict[str, Start]:
    starts: dict[str, Start] = {}
    names = [name for name in wanted if name in locked.versions(locked.ROUTERS, "-router")]
    if names and (folder := locked.installed(locked.ROUTERS)):
        starts |= {name: locked.rust_router(folder, name) for name in names}
    if "litellm" in wanted and (folder := locked.installed(locked.LITELLM)):
        starts["litellm"] = locked.litellm(folder)
    if "portkey" in wanted and (there := portkey.folder()):
        starts["portkey"] = portkey.portkey(there)
    for name in wanted:
        if name in AI and name not in starts:
            print(f"!! skipped: {name}: could not be installed, see above: NO ratio to it")
    return starts


def _uncompiled() -> str:
    """Builds the compiled code; why there is none, else empty."""
    lacking = hatch_build.missing()
    if not lacking:
        try:
            compiled.build()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            lacking = f"its build failed ({error}), see above"
    return lacking


def _ours(wanted: list[str]) -> dict[str, Start]:
    names = [name for name in wanted if name in OURS]
    if any(name in COMPILED for name in names) and (lacking := _uncompiled()):
        print(f"!! skipped: compiled code: {lacking}: NO figures of it")
        names = [name for name in names if name not in COMPILED]
    if any(name in IN_IMAGE for name in names):
        try:
            in_image()
        except (NoImages, subprocess.SubprocessError) as error:
            print(f"!! skipped: the image: {error}: NO figures of it")
            names = [name for name in names if name not in IN_IMAGE]
    return {name: ours(name) for name in names}


def available(wanted: list[str]) -> dict[str, Start]:
    """How to start each proxy; those that are missing are said aloud."""
    return _debian(wanted) | _locked(wanted) | _ours(wanted)
