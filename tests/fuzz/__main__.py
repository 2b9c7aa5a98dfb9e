"""`python -m tests.fuzz --inputs 1000000`: our readers against h11, and our translations of chats.

Prints the seed, the counts, and each disagreement with the number that makes it again (`--only`).
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence

from tests.fuzz import corpus
from tests.fuzz.generate import Input, one_input, seeds_of
from tests.fuzz.opinions import answer_disagreement, request_disagreement
from tests.fuzz.translations import REQUESTS, STREAMS, ask_disagreement, stream_disagreement

Disagreement = Callable[[bytes, Sequence[int]], str]
SUBJECTS: dict[str, tuple[list[bytes], Disagreement]] = {
    "requests": (seeds_of(corpus.READABLE, corpus.REFUSED), request_disagreement),
    "answers": (seeds_of(corpus.ANSWERS), answer_disagreement),
    "streams": (STREAMS, stream_disagreement),
    "bodies": (REQUESTS, ask_disagreement),
}
SHOWN = 20
REPORT_S = 10.0


def examined(subject: str, seed: int, number: int) -> tuple[Input, str]:
    """One input and what is wrong with it; an exception is a disagreement as well."""
    seeds, disagreement = SUBJECTS[subject]
    chosen = one_input(seeds, seed, number)
    try:
        return chosen, disagreement(chosen.data, chosen.cuts)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return chosen, f"raised {error!r}"


def _short(text: str) -> str:
    return text if len(text) < 1000 else f"{text[:500]} [...] {text[-400:]}"


def fuzz(subject: str, seed: int, numbers: range, show: Callable[[str], None]) -> int:
    """How many of the inputs are disagreed about; the first of them are shown."""
    found = 0
    since_s = time.monotonic()
    for done, number in enumerate(numbers):
        chosen, wrong = examined(subject, seed, number)
        if wrong:
            found += 1
            what = f"{subject} --seed {seed} --only {number}: {wrong}"
            show(f"{_short(what)}\n    {_short(repr(chosen.data))} cut at {chosen.cuts}")
            if found == SHOWN:
                show(f"{subject}: enough after {done + 1:,} inputs")
                break
        if time.monotonic() - since_s > REPORT_S:
            since_s = time.monotonic()
            show(f"{subject}: {done + 1:,} of {len(numbers):,}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 if there is a disagreement."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="of each subject")
    parser.add_argument("--seed", type=int, default=None, help="chosen and printed if left out")
    parser.add_argument("--only", type=int, help="the number of one input")
    parser.add_argument("--subject", choices=list(SUBJECTS), help="all if left out")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    numbers = range(given.inputs) if given.only is None else range(given.only, given.only + 1)
    failed = 0
    for subject in [given.subject] if given.subject else SUBJECTS:
        began_s = time.monotonic()
        found = fuzz(subject, seed, numbers, lambda line: print(line, flush=True))
        took_s = time.monotonic() - began_s
        print(
            f"{subject}: {len(numbers):,} inputs of seed {seed} in {took_s:.1f} s, "
            f"{found} disagreements",
            flush=True,
        )
        failed += found
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
