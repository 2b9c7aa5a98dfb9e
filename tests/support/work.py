"""How much CPU or memory something takes, told so that a busy machine changes nothing of it."""

import time
import tracemalloc
from collections.abc import Callable


def least_s(does: Callable[[], object], rounds: int = 5) -> float:
    """Of the quickest of several rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        does()
        taken.append(time.process_time() - begun)
    return min(taken)


def growth(does: Callable[[int], Callable[[], object]], small: int) -> float:
    """
    How many times as long it takes for four times as much: 4 if the work is linear.

    16 if it is quadratic. `does(count)` makes ready what is measured.
    """
    much, little = does(4 * small), does(small)
    # By turns: a machine that is slow for a while is so for both.
    taken = [(least_s(much, 1), least_s(little, 1)) for _ in range(5)]
    return min(one for one, _ in taken) / min(other for _, other in taken)


def peak_bytes(does: Callable[[], object]) -> int:
    """The most that it held at once, of Python's memory."""
    tracemalloc.start()
    try:
        does()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
