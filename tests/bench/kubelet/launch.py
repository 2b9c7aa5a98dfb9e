"""Become a container: run by path, in a fresh process, with the standard library only.

Takes one JSON argument, joins the pod's network, makes private mount and UTS namespaces, binds
the volumes and executes the command, keeping the process id. Mount points that the host lacks
are made in a private tmpfs mirror of their nearest existing parent: the host sees nothing.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
PR_SET_PDEATHSIG = 1
START_ERROR = 128
"""The exit code containerd reports when a container's process cannot be started."""

libc = ctypes.CDLL(None, use_errno=True)


def main(spec: dict[str, Any]) -> None:
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    if os.getppid() != spec["parent"]:
        sys.exit(START_ERROR)
    # Closed by exec: the kubelet sees the container start. Or it reads why it did not.
    os.set_inheritable(spec["report"], False)
    _check(libc.setns(spec["network"], CLONE_NEWNET), "setns")
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS), "unshare")
    socket.sethostname(spec["hostname"][:63])
    mount(None, "/", MS_REC | MS_PRIVATE)
    volumes(spec["mounts"], spec["scratch"], read_only_root=spec["read_only_root"])
    os.chdir(spec["cwd"])
    # Python ignores SIGPIPE, and an ignored signal stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    argv = spec["argv"]
    os.execvpe(argv[0], argv, os.environ)


def volumes(mounts: list[dict[str, Any]], scratch: str, *, read_only_root: bool) -> None:
    """Bind every volume; parents before children, sources opened before any is hidden."""
    mounts = sorted(mounts, key=lambda entry: len(entry["target"]))
    sources = [os.open(entry["source"], os.O_PATH) for entry in mounts]
    if any(_existing_parent(entry["target"]) == "/" for entry in mounts):
        mirror("/", scratch)
        os.chroot(scratch)
        os.chdir("/")
    targets = [os.path.realpath(entry["target"]) for entry in mounts]
    for index, (entry, target) in enumerate(zip(mounts, targets, strict=True)):
        if not any(target.startswith(f"{outer}/") for outer in targets[:index]):
            make_target(target, scratch, is_file=os.path.isfile(entry["source"]))  # noqa: PTH113
    if read_only_root:
        attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
        flags = ctypes.c_uint(AT_RECURSIVE)
        status = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, b"/", flags, attributes, 32)
        _check(status, "mount_setattr")
    for entry, target, source in zip(mounts, targets, sources, strict=True):
        if not os.path.exists(target):  # noqa: PTH110 - inside a volume bound just now
            make_target(target, scratch, is_file=os.path.isfile(entry["source"]))  # noqa: PTH113
        mount(f"/proc/self/fd/{source}", target, MS_BIND | MS_REC)
        if read_only_root or entry["read_only"]:
            read_only = MS_RDONLY if entry["read_only"] else 0
            mount(None, target, MS_REMOUNT | MS_BIND | read_only)


def make_target(target: str, scratch: str, *, is_file: bool) -> None:
    """Make a mount point, in a private mirror of its parent if the host lacks it."""
    if os.path.exists(target):  # noqa: PTH110 - pathlib costs every container's start 20 ms
        return
    parent = _existing_parent(target)
    if parent != "/":
        mirror(parent, scratch)
        mount(scratch, parent, MS_BIND | MS_REC)
    if is_file:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    else:
        os.makedirs(target, exist_ok=True)  # noqa: PTH103


def mirror(directory: str, scratch: str) -> None:
    """A tmpfs at `scratch` with every entry of `directory` bound into it."""
    mount("tmpfs", scratch, 0, kind="tmpfs")
    os.chmod(scratch, os.stat(directory).st_mode & 0o7777)  # noqa: PTH101, PTH116
    with os.scandir(directory) as entries:
        for entry in entries:
            copy = f"{scratch}/{entry.name}"
            with contextlib.suppress(FileNotFoundError):  # ended between listing and binding
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), copy)  # noqa: PTH115, PTH211
                    continue
                if entry.is_dir():
                    os.mkdir(copy)  # noqa: PTH102
                else:
                    os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o644))
                mount(entry.path, copy, MS_BIND | MS_REC)


def mount(source: str | None, target: str, flags: int, *, kind: str | None = None) -> None:
    """mount(2); raises OSError."""
    arguments = [None if text is None else text.encode() for text in (source, target, kind)]
    _check(libc.mount(*arguments, flags, None), f"mount {source} at {target}")


def _existing_parent(path: str) -> str:
    path = os.path.realpath(path)
    while not os.path.exists(path):  # noqa: PTH110
        path = os.path.dirname(path)  # noqa: PTH120
    return path


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    container = json.loads(sys.argv[1])
    try:
        main(container)
    except OSError as error:
        os.write(container["report"], str(error).encode())
        sys.exit(START_ERROR)
