"""Every fault, and the promise that it proves: `python -m tests.faults.table [--only PATTERN]`.

Each row is played on a real control plane with real operators and routers, or on real processes
alone where no control plane is concerned; 1 if one of them broke its promise or could not be
played. `--list` plays nothing.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from tests.faults.table.playing import ROOT, Proof, play
from tests.faults.table.row import Row
from tests.faults.table.rows import ROWS


def line(proof: Proof) -> str:
    """One row of what is printed."""
    word = "pass" if proof.passed else "FAIL"
    again = " (at the second try)" if proof.repeated else ""
    return f"{word}  {proof.row.name:<28}{proof.seconds:>6.1f} s  {proof.row.promise}{again}"


def tell(
    rows: tuple[Row, ...], *, bound_s: float, file: Path | None = None, root: Path = ROOT
) -> int:
    """Play and print them; the exit status."""
    proofs = []
    for proof in play(rows, bound_s=bound_s, root=root):
        proofs.append(proof)
        print(line(proof), flush=True)
        if not proof.passed:
            print("\n".join(f"      {part}" for part in proof.why.splitlines()), flush=True)
    broken = sum(not proof.passed for proof in proofs)
    print(f"{len(proofs)} promises, {broken} broken")
    if file:
        said = [
            {"row": one.row.name, "promise": one.row.promise, "passed": one.passed}
            | {"seconds": round(one.seconds, 1), "why": one.why}
            | {"repeated": one.repeated}
            for one in proofs
        ]
        file.write_text(json.dumps(said, indent=2) + "\n")
    return 1 if broken or not proofs else 0


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name matches this")
    parser.add_argument("--list", action="store_true", help="print the rows and their promises")
    parser.add_argument(
        "--bound", type=float, default=900.0, help="seconds that the rows of one file may take"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = tuple(row for row in ROWS if re.search(options.only, row.name))
    if not rows:
        parser.error(f"no row matches {options.only}")
    if options.list:
        for row in rows:
            print(f"{row.name:<28}{row.promise}")
        return 0
    return tell(rows, bound_s=options.bound, file=options.json)


if __name__ == "__main__":
    sys.exit(main())
