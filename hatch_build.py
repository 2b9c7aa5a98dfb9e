"""Compiles the request path when a wheel is built with POINTSMAN_COMPILE=1.

Guarantees that what is compiled are the very sources that run without it, as the list in
pyproject.toml names them, and that nothing is written into the tree. Where mypyc or a C compiler is
missing the wheel is a plain one, and that is said aloud; POINTSMAN_COMPILE=require refuses instead.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOTS = ("crds/src", "operator/src", "router/src")
LIBRARY = "pointsman"
"""All modules are one library, so that their calls of each other stay in C."""
_FLAGS = (
    "--config-file=", "--namespace-packages", "--explicit-package-bases",
    "--ignore-missing-imports", "--no-incremental",
)  # fmt: skip


class Uncompiled(Exception):
    """What is missing, or how the compiler ended."""


def missing() -> str:
    """What a compilation would need and is not here; empty if all is."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed"
    absent = [name for name in ("mypyc", "setuptools") if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def compiled(root: Path, modules: list[str], folder: Path) -> dict[str, str]:
    """Compile into `folder`; built file -> its place in the wheel. Raises Uncompiled."""
    if lacking := missing():
        raise Uncompiled(lacking)
    built = folder / "lib"
    command = [sys.executable, __file__, str(folder), *modules]
    # mypyc and setuptools keep state, print, and read the working directory: not in this process.
    done = subprocess.run(  # noqa: S603 - modules of pyproject.toml
        command,
        cwd=root,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"MYPYPATH": ":".join(ROOTS)},
    )
    if done.returncode:
        raise Uncompiled(f"mypyc ended with {done.returncode}\n{done.stdout[-2000:]}")
    return {str(path): path.relative_to(built).as_posix() for path in built.rglob("*.so")}


class CompilingHook(BuildHookInterface[Any]):
    """See the module. An editable install is never compiled: it runs what is edited."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled modules to the wheel, beside their sources."""
        wanted = os.environ.get("POINTSMAN_COMPILE", "")
        if version == "editable" or wanted in ("", "0"):
            return
        self._folder = tempfile.TemporaryDirectory()
        try:
            files = compiled(Path(self.root), self.config["modules"], Path(self._folder.name))
        except Uncompiled as error:
            self._folder.cleanup()
            if wanted == "require":
                raise
            self.app.display_warning(f"!! the wheel is plain Python, about half as fast: {error}")
            return
        build_data["force_include"] |= files
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Throw away what is in the wheel now."""
        if self._folder is not None:
            self._folder.cleanup()


def _run(folder: str, modules: list[str]) -> None:
    """Compile, in a process of its own whose working directory is the tree."""
    # mypyc writes it into what it makes; for another processor only sysconfig tells the right one.
    EXTENSION_SUFFIXES.insert(0, sysconfig.get_config_var("EXT_SUFFIX"))
    from mypyc.build import mypycify  # noqa: PLC0415 - only here
    from setuptools import Distribution  # noqa: PLC0415

    paths = [
        str(path)
        for name in modules
        for root in ROOTS
        if (path := Path(root, *name.split(".")).with_suffix(".py")).exists()
    ]
    if len(paths) != len(modules):
        sys.exit(f"of {len(modules)} modules only these are there: {json.dumps(paths)}")
    extensions = mypycify(
        [*_FLAGS, *paths],
        opt_level="2",
        debug_level="0",
        target_dir=f"{folder}/c",
        group_name=LIBRARY,
        strip_asserts=False,
    )
    command = Distribution({"name": LIBRARY, "ext_modules": extensions}).get_command_obj(
        "build_ext"
    )
    command.build_lib, command.build_temp = f"{folder}/lib", f"{folder}/o"
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2:])
