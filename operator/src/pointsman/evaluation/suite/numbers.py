"""
The last number of a text, as people of any country write it.

`1,234.5`, `1.234,5`, `1 234,5`, `1'234.5`, `12,34,567` and other scripts' digits are read. Where a
text can be read in two ways (`1,234` is 1234 or 1.234, `5 300` is 5300 or 300), both are returned.
Units, currencies and percent signs are passed over; words (`two`), fractions and powers are not
read.
"""

import re
from decimal import Decimal
from typing import Final

LONGEST: Final = 64
"""Characters of a number; a longer one is none that anybody asked for."""
_SPACES: Final = " \u00a0\u2009\u202f"
_MARKS: Final = "'’_"
_MINUS: Final = "-\u2212"
_CURRENCY: Final = "$€£¥₹"
_ARABIC: Final = str.maketrans("٫٬", ".,")
_RUN: Final = re.compile(rf"\d(?:\d|[.,٫٬{_MARKS}{_SPACES}](?=\d))*+(?:[eE][+-]?\d{{1,3}}(?!\w))?")
_SEPARATOR: Final = re.compile(rf"[.,٫٬{_MARKS}{_SPACES}]")
_GROUPED: Final = re.compile(r"\d{1,3}(?:(?P<mark>[.,])\d{3})(?:(?P=mark)\d{3})*")
_INDIAN: Final = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")


def last_number(text: str) -> tuple[Decimal, ...] | None:
    """
    How the last number of a text can be read, the likeliest first; None if there is no number.

    Empty for one that is longer than LONGEST; of a list of numbers the last one counts.
    """
    run = None
    for run in _RUN.finditer(text):  # noqa: B007 - the last one
        pass
    if run is None:
        return None
    digits, before = run[0], text[max(0, run.start() - 3) : run.start()]
    if len(digits) > LONGEST:  # a list: its last part is what counts
        cut = _SEPARATOR.search(digits, len(digits) - LONGEST)
        if cut is None:
            return ()
        digits, before = digits[cut.end() :], ""
    found = list(dict.fromkeys(_readings(digits.translate(_ARABIC))))
    if before[-1:] in {".", ","} and not before[-2:-1].isalnum():  # .5
        found = [Decimal(f"0.{digits}")] if digits.isdecimal() else found
        before = before[:-1]
    return tuple(-one for one in found) if _negative(before) else tuple(found)


def _negative(before: str) -> bool:
    """A minus stands right before it, and is no dash between two things."""
    before = before.rstrip(_CURRENCY)
    return before[-1:] != "" and before[-1] in _MINUS and not (before[-2:-1] or " ").isalnum()


def _readings(run: str) -> list[Decimal]:
    mantissa, power = run, ""
    if match := re.search(r"[eE]", run):
        mantissa, power = run[: match.start()], run[match.start() :]
    return [Decimal(one + power) for one in _plain(mantissa)]


def _plain(mantissa: str) -> list[str]:
    """Readings as Decimal takes them."""
    parts = re.split(f"[{_SPACES}]", mantissa)
    last = _marked(parts[-1])
    if len(parts) == 1:
        return last
    whole, _, rest = parts[-1].partition(".") if "." in parts[-1] else parts[-1].partition(",")
    groups = [*parts[1:-1], whole]
    joined = parts[0] + "".join(groups)
    if joined.isdecimal() and len(parts[0]) <= 3 and all(len(group) == 3 for group in groups):
        if not rest:
            return [joined, *last]
        if rest.isdecimal():
            return [f"{joined}.{rest}", *last]
    return last


def _marked(part: str) -> list[str]:
    """Without the marks between groups of three; else what stands behind the last of them."""
    groups = re.split(f"[{_MARKS}]", part)
    if len(groups) == 1:
        return _separated(part)
    whole = re.match(r"\d+", groups[-1])
    fits = all(group.isdecimal() for group in groups[:-1]) and whole is not None
    if fits and all(len(group) == 3 for group in (*groups[1:-1], whole[0] if whole else "")):
        return _separated("".join(groups))
    return _separated(groups[-1])


def _separated(part: str) -> list[str]:
    """Digits with commas and points among them."""
    marks = [one for one in part if one in ".,"]
    if not marks:
        return [part]
    last = max(part.rfind("."), part.rfind(","))
    whole, rest = part[:last], part[last + 1 :]
    if len(marks) == 1:
        decimal = f"{whole}.{rest}"
        if len(rest) != 3 or len(whole) > 3 or whole.startswith("0"):
            return [decimal]
        return [whole + rest, decimal] if part[last] == "," else [decimal, whole + rest]
    if _GROUPED.fullmatch(part) or _INDIAN.fullmatch(part):
        return [part.replace(",", "").replace(".", "")]
    grouped = _GROUPED.fullmatch(whole) or _INDIAN.fullmatch(whole)
    if grouped and part[last] not in whole:
        return [re.sub(r"[.,]", "", whole) + f".{rest}"]
    return [rest]  # a list, a version or a date: what stands last
