"""How good an order of requests is, as RouteLLM measures it.

The curve: quality gained over the weak model, as a share of the whole gap, when the first x of
the requests go to the strong one. APGR is its area; CPT50 and CPT80 are the percent of requests at
which it reaches 50 and 80 %. RouteLLM's evaluate.py takes ten points; it differs by 0.006 at most.
"""

from dataclasses import dataclass

import numpy as np

from tests.perf.predictor.data import Floats


@dataclass(frozen=True, slots=True)
class Routed:
    """One order, judged."""

    apgr: float
    cpt50: float
    """Percent."""
    cpt80: float
    share: float = float("nan")
    """Percent that went to the strong model at a threshold that was asked to send 30."""


def routed(
    score: Floats, gap: Floats, dice: np.random.Generator, share: float = float("nan")
) -> Routed:
    """Judge scores (higher: to the strong model first); ties are broken by dice."""
    order = np.lexsort((dice.random(len(score)), -score))
    curve = np.concatenate(([0.0], np.cumsum(gap[order]))) / gap.sum()
    at = np.linspace(0, 100, len(curve))
    return Routed(
        apgr=float(np.trapezoid(curve, at) / 100),
        cpt50=float(at[np.argmax(curve >= 0.5)]),
        cpt80=float(at[np.argmax(curve >= 0.8)]),
        share=share,
    )
