"""How a process loads its code: all of it stays, so nothing is looked at again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """
    Import without collecting garbage, of which there is next to none.

    Looking for it took a fifth of a start of `pointsman up` and a tenth of the operator's.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
