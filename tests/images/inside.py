"""A command in an image's files, as a pod of the chart's runs it: as nobody, on a root that stays.

Its /tmp is a folder of the test's, all else cannot be written. An image of another processor runs
under Debian's emulator (qemu-user), which the builder's root has.
"""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest
from images import assemble

from tests.bench.fixtures import required
from tests.images import build, compiling
from tests.images.install import NoImages

_USER: Final = "65532:65532"
_EMULATOR: Final = "/tmp/emulator"
_ENTER: Final = """
set -e
mount -t overlay overlay -o ro,lowerdir="$UPPER:$LOWER" "$ROOT"
mount --bind "$SHARED" "$ROOT/tmp"
mount -t proc proc "$ROOT/proc"
if [ "$EMULATOR" ]; then
  touch "$ROOT/tmp/emulator"
  mount --bind "$EMULATOR" "$ROOT/tmp/emulator"
fi
exec env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin PYTHONDONTWRITEBYTECODE=1 POD_NAME=pod-0 "$@"
"""


def not_here(reason: str) -> None:
    """A proof that cannot be had is a failure where all are asked for."""
    if required():
        pytest.fail(f"not run: {reason}", pytrace=False)
    pytest.skip(f"not run: {reason}")


def built(image: str, processor: str) -> Path:
    """Its archive; skips aloud where none can be built, or entered."""
    if os.geteuid():
        not_here("only root can enter an image's files")
    try:
        return build.archive(image, processor)
    except (NoImages, subprocess.SubprocessError) as error:
        not_here(str(error))
        raise


def shared(folder: Path) -> Path:
    """What a command in `folder` has as its /tmp."""
    return folder / "tmp"


def entering(
    image: str, folder: Path, *command: str, processor: str
) -> tuple[list[str], dict[str, str]]:
    """What runs `command`, and its environment; the process that it makes becomes the command's."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    shared(folder).mkdir(exist_ok=True)
    shared(folder).chmod(0o777)
    emulator = ""
    if processor != assemble.processor_here():
        emulator = str(compiling.emulator(build.builder(processor), processor))
        program, *arguments = command
        script = [] if program == "python3" else [f"/usr/local/bin/{program}"]
        command = (_EMULATOR, "/usr/bin/python3", *script, *arguments)
    places = {
        "LOWER": str(build.base(processor)),
        "UPPER": str(build.added(image, processor)),
        "ROOT": str(root),
        "SHARED": str(shared(folder)),
        "EMULATOR": emulator,
    }
    chroot = ["chroot", f"--userspec={_USER}", str(root), *command]
    return ["unshare", "--mount", "bash", "-c", _ENTER, "bash", *chroot], os.environ | places


def ran(
    image: str, folder: Path, *command: str, processor: str | None = None
) -> subprocess.CompletedProcess[str]:
    """`command` in the image, to its end."""
    processor = processor or assemble.processor_here()
    told, environment = entering(image, folder, *command, processor=processor)
    return subprocess.run(
        told, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
