"""What each Python package of an image is licensed under, in SPDX's names, and which are refused.

A package says it in one of three ways of different ages; one that says nothing known is an error,
for then nobody has decided. Debian's packages are all of its section main, which is free software
by Debian's guidelines; their texts stay in the image (usr/share/doc/NAME/copyright).
"""

import re
from collections.abc import Iterable
from email.message import Message
from typing import Final

ALLOWED: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only",
        "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Zlib",
    }
)  # fmt: skip
"""LGPL and MPL bind who changes the library: we change none."""
REFUSED: Final = re.compile(r"\bA?GPL|SSPL|BUSL|Commons-Clause|Elastic|Proprietary", re.IGNORECASE)
"""Would bind who runs or offers Pointsman."""
_SAID: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Names from before SPDX -> SPDX's."""


class Unlicensed(Exception):
    """Which package may not be in an image, and why."""


def license_of(metadata: Message) -> str:
    """The SPDX expression of a package by its METADATA. Raises Unlicensed."""
    name = metadata["Name"]
    classified = [
        value.rpartition("::")[2].strip()
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License ::")
    ]
    said = [metadata["License-Expression"], metadata["License"], *classified]
    for text in filter(None, said):
        expression = _SAID.get(text.strip(), text.strip())
        if parts(expression) <= ALLOWED:
            return str(expression)
    told = "; ".join(str(text)[:80] for text in said if text) or "nothing"
    if REFUSED.search(told):
        raise Unlicensed(f"{name}: its license is refused: {told}")
    raise Unlicensed(f"{name}: its license is not known: it says {told}")


def parts(expression: str) -> set[str]:
    """The licenses that an SPDX expression names."""
    return {word for word in re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression) if word}


def report(found: Iterable[Message]) -> list[tuple[str, str, str]]:
    """(name, version, license) of each, sorted. Raises Unlicensed with every bad one."""
    rows, bad = [], []
    for metadata in found:
        try:
            rows.append((metadata["Name"].lower(), metadata["Version"], license_of(metadata)))
        except Unlicensed as error:
            bad.append(str(error))
    if bad:
        raise Unlicensed("\n".join(sorted(bad)))
    return sorted(rows)
