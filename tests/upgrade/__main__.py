"""The last release, this tree, and back, under traffic; or: write down a new last release.

python -m tests.upgrade                   the drill on a bench; exit status 1 if anything was lost,
                                          3 if nothing could be tested
python -m tests.upgrade release COMMIT    what this tree is compared with from now on
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from tests.bench import Bench, BenchBroken, BuildFailed, CommandFailed, NoNamespace
from tests.upgrade import last, previous
from tests.upgrade.drill import Drill, play, schema_of

NOT_RUN = 3


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 nothing was lost, 1 something was, or the bench broke, 3 nothing was run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.upgrade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("do", nargs="?", choices=["drill", "release"], default="drill")
    parser.add_argument("commit", nargs="?")
    options = parser.parse_args(arguments)
    try:
        if options.do == "release":
            if options.commit is None:
                parser.error("release needs a commit")
            last.renew(options.commit)
            print(f"released: {last.commit()}")
            return 0
        return _drill()
    except (last.NoRelease, BuildFailed, NoNamespace) as error:
        print(f"not run: {error}", file=sys.stderr)
        return NOT_RUN
    except (BenchBroken, CommandFailed) as error:
        print(f"broken: {error}", file=sys.stderr)
        return 1


def _drill() -> int:
    released = previous.build()
    print(f"the last release is {last.commit()[:12]}; this tree is `next`", flush=True)
    with Bench() as bench:
        drill = Drill(
            bench, released, previous.this(), schema_of(released), lambda s: print(s, flush=True)
        )
        seen = asyncio.run(play(drill))
    for line in (*seen.failures[:20], *drill.broken):
        print(line)
    lost = len(seen.failures) + len(drill.broken)
    print(
        f"{seen.total:,} requests, {len(seen.failures)} failed; "
        f"{'nothing else was lost' if not drill.broken else f'{len(drill.broken)} things broke'}"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
