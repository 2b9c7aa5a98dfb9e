"""Mathematics written as TeX source.

Guarantees that prices ("$5 and $3") and Windows paths are not taken for formulas; bounded time.
Refuses to read the formula.
"""

import re

_TEX = re.compile(
    r"\\(?:frac|sqrt|sum|int|cdot|times|leq?|geq?|pi|theta|alpha|beta|lambda|omega|mathbb|mathrm|overline"
    r"|triangle|angle|boxed|begin|left|right|infty|lim|log|ln|sin|cos|tan|binom|equiv|pmod|l?dots|neq?"
    r"|[dt]frac|prod|partial|nabla|hat|vec|circ|approx|rangle|langle|text)\b"
    r"|\$[^\s$](?:[^$\n]{0,80}[^\s$])?\$(?!\d)"
)


def formula_source(sample: str) -> str:
    """Return the beginning of the first formula, or an empty string."""
    if "\\" not in sample and "$" not in sample:
        return ""
    match = _TEX.search(sample)
    return match.group()[:20] if match else ""
