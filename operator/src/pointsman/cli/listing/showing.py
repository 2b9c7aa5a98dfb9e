"""Prints a page, or with -w the page again when it changed, until Ctrl-C."""

import argparse
import sys
import time
from collections.abc import Callable

from pointsman.cli.listing.page import Page

_CLEAR = "\x1b[H\x1b[2J"


def show(
    options: argparse.Namespace,
    look: Callable[[], Page],
    wait: Callable[[float], None] = time.sleep,
) -> Page:
    """The last page that was seen; what `look` raises ends it."""
    page = look()
    told = page.text(options.output)
    _print(told, again=False)
    if page.empty and not told:
        print(page.empty, file=sys.stderr)
    while options.watch:
        wait(options.every)
        page = look()
        now = page.text(options.output)
        if now != told:
            told = now
            _print(now, again=options.output in {None, "wide"})
    return page


def _print(text: str, *, again: bool) -> None:
    if again and text:  # a terminal is cleared, a file gets one page after the other
        print(_CLEAR if sys.stdout.isatty() else "", end="" if sys.stdout.isatty() else "\n")
    print(text, end="", flush=True)
