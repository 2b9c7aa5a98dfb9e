"""Ridge regression on a sparse and a dense part, by conjugate gradients.

Guarantees a bounded number of steps, each linear in the entries. Hestenes and Stiefel 1952.
Refuses scipy: two products with a sparse matrix are all that is needed of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
STEPS: Final = 30
_ENOUGH: Final = 1e-5
"""Of the squared residual at the start."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """Rows of (column, value); `starts` has one entry more than there are rows."""

    columns: Numbers
    values: Floats
    starts: Numbers
    width: int

    def rows(self, chosen: Numbers) -> "Sparse":
        """Return these rows in this order."""
        sizes = np.diff(self.starts)[chosen]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        at = np.repeat(self.starts[chosen] - starts[:-1], sizes) + np.arange(starts[-1])
        return Sparse(self.columns[at], self.values[at], starts, self.width)

    def scaled(self, factors: Floats) -> "Sparse":
        """Return each row times its factor."""
        values = self.values * np.repeat(factors, np.diff(self.starts))
        return Sparse(self.columns, values, self.starts, self.width)

    def times(self, vector: Floats) -> Floats:
        """Return the product with a vector of `width` numbers, one number a row."""
        result = np.zeros(len(self.starts) - 1)
        filled = self.starts[1:] > self.starts[:-1]
        if filled.any():
            each = self.values * vector[self.columns]
            result[filled] = np.add.reduceat(each, self.starts[:-1][filled])
        return result

    def transposed_times(self, vector: Floats) -> Floats:
        """Return the transposed product: one number a column."""
        weights = self.values * np.repeat(vector, np.diff(self.starts))
        sums = np.bincount(self.columns, weights=weights, minlength=self.width)
        return np.asarray(sums, dtype=np.float64)


def ridge(
    sparse: Sparse, dense: Floats, target: Floats, penalty: float, dense_penalty: float
) -> tuple[Floats, Floats]:
    """
    Return (sparse coefficients, dense coefficients).

    They minimize |target - sparse a - dense b|^2 + penalty |a|^2 + dense_penalty |b|^2.
    """
    width = sparse.width
    penalties = np.concatenate((np.full(width, penalty), np.full(dense.shape[1], dense_penalty)))

    def back(residual: Floats) -> Floats:
        return np.concatenate((sparse.transposed_times(residual), dense.T @ residual))

    residual = back(target)
    solution = np.zeros_like(residual)
    direction = residual.copy()
    size = first = float(residual @ residual)
    for _ in range(STEPS):
        if size <= _ENOUGH * first or size == 0:
            break
        image = sparse.times(direction[:width]) + dense @ direction[width:]
        image = back(image) + penalties * direction
        step = size / float(direction @ image)
        solution += step * direction
        residual -= step * image
        before, size = size, float(residual @ residual)
        direction = residual + (size / before) * direction
    return solution[:width], solution[width:]
