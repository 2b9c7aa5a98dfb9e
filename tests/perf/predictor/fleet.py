"""Nine models: what an answer costs when it is as good as the best single model's.

The cost is the size in billions of parameters. Quality less a price times the cost is maximized,
for many prices; cost at equal quality is read off that curve, on rows that were not fitted on.
"""

from dataclasses import dataclass

import numpy as np

from tests.perf.predictor.data import BILLIONS, Floats, nine
from tests.perf.predictor.protocol import expected, fitted, prior

PRICES = np.concatenate(([0.0], np.geomspace(1e-5, 0.05, 120)))
"""Quality that one billion parameters more must bring."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """One drawing."""

    best_quality: float
    """Of the best single model, on the scored rows."""
    best_cost: float
    cost: float
    """Billions of parameters in the mean, at the same quality; the best's if never reached."""
    top_quality: float
    """With cost of no matter."""

    @property
    def saved(self) -> float:
        """Percent."""
        return 100 * (1 - self.cost / self.best_cost)


def judge(k: int, seed: int) -> Fleet:
    """Fit on k rows with nine labels each."""
    rows = nine()
    names = tuple(BILLIONS)
    order = np.random.default_rng(seed).permutation(len(rows))
    weights = fitted(rows, order[:k], prior(names, difficulty=False))
    rest = order[k:]
    predicted = expected(weights, rows, rest)
    quality = np.column_stack([rows.quality[name][rest] for name in names])
    cost = np.array([float(BILLIONS[name]) for name in names])
    best = int(quality.mean(axis=0).argmax())
    goal = float(quality[:, best].mean())
    curve = [_at(price, predicted, quality, cost) for price in PRICES]
    enough = [spent for gained, spent in curve if gained >= goal]
    return Fleet(goal, float(cost[best]), min(enough, default=float(cost[best])), curve[0][0])


def _at(price: float, predicted: Floats, quality: Floats, cost: Floats) -> tuple[float, float]:
    choice = (predicted - price * cost).argmax(axis=1)
    gained = quality[np.arange(len(choice)), choice].mean()
    return float(gained), float(cost[choice].mean())
