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


def is_formula_source(sample: str) -> bool:
    """Whether the sample holds a formula in TeX."""
    return ("\\" in sample or "$" in sample) and _TEX.search(sample) is not None
