"""Steps the wall clock of a Python process: loaded at its start where this folder is on PYTHONPATH.

CLOCK_FILE holds the seconds by which it is off, read again twice a second; monotonic clocks stay
true, as they do when somebody sets a machine's clock. libfaketime cannot be used: under its 0.9.10
`time.sleep` of Python 3.11 fails with EINVAL, since it sleeps until a time of the steady clock.
"""

import contextlib
import ctypes
import datetime
import gc
import os
import time
from pathlib import Path
from typing import Any

_true, _steady = time.time, time.monotonic
_FILE = os.environ.get("CLOCK_FILE", "")
_AGAIN_S = 0.5
_known = [0.0, float("-inf")]
"""Seconds off, and when they were read."""


def _off_s() -> float:
    if _steady() - _known[1] >= _AGAIN_S:
        _known[1] = _steady()
        with contextlib.suppress(OSError, ValueError):  # being written: the next look sees it
            _known[0] = float(Path(_FILE).read_text())
    return _known[0]


def _now() -> float:
    return _true() + _off_s()


def _at(cls: Any, tz: Any = None) -> Any:
    return cls.fromtimestamp(_now(), tz)


def _at_utc(cls: Any) -> Any:
    return cls.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)


if _FILE:
    time.time = _now
    time.time_ns = lambda: int(_now() * 1e9)
    # The class itself: libraries in C know no subclass of it in its place.
    _methods = gc.get_referents(datetime.datetime.__dict__)[0]
    _methods |= {"now": classmethod(_at), "utcnow": classmethod(_at_utc)}
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
