"""PURE: what reading JSON from outside may raise, in one place so that no reader forgets one.

msgspec refuses what is no JSON or of another type with DecodeError, checks the UTF-8 of a string
only when it is decoded, and stops at Python's recursion limit.
"""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
