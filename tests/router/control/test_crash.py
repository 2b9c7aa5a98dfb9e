"""A process that is killed while it writes loses at most what it had not finished."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.router.control.slots import Slots

_WRITER = """
import sys
from pathlib import Path
from pointsman.router.control.slots import Slots
slots = Slots(Path(sys.argv[1]), "table", "demo/crash")
slots.load()
number = int(sys.argv[2])
while True:
    number += 1
    slots.save(str(number).encode() + b"." * 200_000)
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", range(1, 9))
@pytest.mark.slow
def test_the_last_finished_write_survives_a_kill(tmp_path: Path, after: int) -> None:
    """Three processes one after the other, each killed at some point of its next write."""
    finished = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(finished)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(after):
                finished = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")
        finished = max([finished, *(int(line) for line in rest[:-1])])

        loaded = Slots(tmp_path, "table", "demo/crash").load()

        assert loaded.refused == ()
        assert loaded.body is not None
        assert int(loaded.body.partition(b".")[0]) in (finished, finished + 1)
        finished = int(loaded.body.partition(b".")[0])
