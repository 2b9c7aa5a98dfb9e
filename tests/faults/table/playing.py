"""Play rows: one process of pytest for all rows of a file, with a bound on its time.

Guarantees that what did not run, was skipped, or was cut off at the bound has not passed.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.table.row import Row

ROOT: Final = Path(__file__).parents[3]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of a row; `why` is empty if it held."""

    row: Row
    seconds: float
    why: str = ""
    repeated: bool = False
    """At the second try only: the machine was too busy, or the promise is weak."""

    @property
    def passed(self) -> bool:
        return not self.why


def play(rows: Sequence[Row], *, bound_s: float, root: Path = ROOT) -> Iterator[Proof]:
    """One file after the other; `bound_s` is for each file, `root` where tests are named from."""
    for _, some in itertools.groupby(rows, key=lambda row: row.file):
        together = list(some)
        tests = list(dict.fromkeys(test for row in together for test in row.tests))
        outcomes, said = _run(tests, bound_s, root)
        for row in together:
            yield judge(row, outcomes, said)


def judge(row: Row, outcomes: Sequence[Json], said: str) -> Proof:
    """Of what pytest told; `said` is why a test that it did not tell of has not run."""
    seconds, why, repeated = 0.0, "", False
    for test in row.tests:
        mine = [one for one in outcomes if _is_of(one["test"], test)]
        seconds += sum(one["seconds"] for one in mine)
        repeated |= any(one["outcome"] == "rerun" for one in mine)
        last = {one["test"]: one for one in mine}
        bad = [one for one in last.values() if one["outcome"] != "passed"]
        if not mine:
            why = why or f"did not run: {test}\n{said}"
        elif bad:
            why = why or f"{bad[0]['outcome']}: {bad[0]['test']}\n{bad[0]['why']}"
    return Proof(row, seconds, why, repeated)


def _is_of(nodeid: str, test: str) -> bool:
    """A file has its tests, and a test its cases."""
    return nodeid == test or nodeid.startswith((f"{test}::", f"{test}["))


def _run(tests: Sequence[str], bound_s: float, root: Path) -> tuple[list[Json], str]:
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "outcomes", Path(folder) / "log"
        environment = os.environ | {
            "POINTSMAN_OUTCOMES": str(file),
            "POINTSMAN_REQUIRE_BENCH": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "tests.faults.table.reporting", *tests]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=root, env=environment, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
            late = _wait(process, bound_s)
        lines = file.read_text().splitlines() if file.exists() else []
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        cut = f"cut off after {bound_s:.0f} s\n" if late else ""
        return [json.loads(line) for line in lines], cut + tail


def _wait(process: "subprocess.Popen[bytes]", bound_s: float) -> bool:
    """True if it had to be ended: first asked, for it has processes and networks to end."""
    try:
        process.wait(bound_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return False
