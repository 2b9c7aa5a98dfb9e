"""The solver, beside the closed form."""

import numpy as np
import pytest

from pointsman.evaluation.ridge import Floats, Sparse, ridge


def made(rows: int, width: int, seed: int) -> tuple[Sparse, Floats]:
    """A sparse matrix, some rows of it empty, and the same as a dense one."""
    dice = np.random.default_rng(seed)
    full = dice.normal(size=(rows, width)) * (dice.random((rows, width)) < 0.2)
    full[:: max(rows // 3, 1)] = 0.0
    row, column = np.nonzero(full)
    starts = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=rows))))
    return Sparse(column, full[row, column], starts, width), full


@pytest.mark.parametrize("seed", range(5))
def test_products_are_those_of_the_dense_matrix(seed: int) -> None:
    """Both ways, of all rows and of some, each row times its own factor."""
    sparse, full = made(17, 11, seed)
    dice = np.random.default_rng(seed)
    chosen = dice.integers(0, 17, 9)
    factors = dice.random(9)
    part = sparse.rows(chosen).scaled(factors)

    right, left = dice.normal(size=11), dice.normal(size=9)

    np.testing.assert_allclose(sparse.times(right), full @ right)
    np.testing.assert_allclose(part.times(right), (full[chosen] * factors[:, None]) @ right)
    np.testing.assert_allclose(
        part.transposed_times(left), (full[chosen] * factors[:, None]).T @ left, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_least_penalized_squares(seed: int) -> None:
    """As the normal equations do, with a penalty for each part."""
    sparse, full = made(60, 25, seed)
    dice = np.random.default_rng(seed)
    dense, target = dice.normal(size=(60, 4)), dice.normal(size=60)
    together = np.hstack((full, dense))
    penalty = np.diag([8.0] * 25 + [50.0] * 4)
    exact = np.linalg.solve(together.T @ together + penalty, together.T @ target)

    found = np.concatenate(ridge(sparse, dense, target, 8.0, 50.0))

    assert np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact)


def test_nothing_to_explain_needs_no_coefficients() -> None:
    """A target of zeros, and a matrix without a column."""
    sparse, _ = made(10, 5, 0)
    empty = Sparse(np.zeros(0, np.int64), np.zeros(0), np.zeros(11, np.int64), 0)

    assert not np.concatenate(ridge(sparse, np.ones((10, 1)), np.zeros(10), 1.0, 1.0)).any()
    assert ridge(empty, np.ones((10, 1)), np.ones(10), 1.0, 1.0)[0].size == 0
