"""A process whose wall clock a file sets: the step is seen, and the steady clock does not move."""

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.table.rows_clock import CLOCKED

_PROGRAM = """
import sys, time
from datetime import UTC, datetime
print(flush=True)
begun_s = time.monotonic()
for _ in sys.stdin:
    time.sleep(1)
    now = datetime.now(UTC).timestamp()
    print(now, time.time(), time.time_ns() / 1e9, time.monotonic() - begun_s, flush=True)
"""


def test_a_step_is_seen_by_a_process_that_runs(tmp_path: Path) -> None:
    """Forward and back, by each way of asking."""
    file = tmp_path / "offset"
    file.write_text("0")
    environment = os.environ | {"PYTHONPATH": str(CLOCKED), "CLOCK_FILE": str(file)}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], env=environment, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        seen = []
        for step_s in (0, 3600, -3600):
            file.write_text(f"{step_s:+d}\n")
            process.stdin.write("\n")
            process.stdin.flush()
            seen.append([float(one) for one in process.stdout.readline().split()])
        process.stdin.close()

    (base, *_, first_s), forward, back = seen
    for now, step_s in ((forward, 3600), (back, -3600)):
        assert all(abs(one - base - step_s) < 300 for one in now[:3])
        assert 0 < now[3] - first_s < 300
