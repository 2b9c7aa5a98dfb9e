"""Weights from labels: levels of each backend and task first, then what the text adds.

Guarantees that no label leads to the prior, few labels to little more, and that a label's weight
halves with each half-life. Refuses labels of unknown backends, silently: they are of older tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from pointsman.analysis.predictor import Weights, difficulty
from pointsman.analysis.predictor.features import COUNTS, SPREADS
from pointsman.analysis.predictor.weights import MOST_CODES, RANGE, to_bytes
from pointsman.evaluation.ridge import Floats, Numbers, Sparse, ridge
from pointsman.evaluation.vocabulary import Seen, Vocabulary

K0: Final = 150.0
"""Labels at which what the text says weighs half (measured on RouteLLM's rows)."""
K0_LEVEL: Final = 20.0
"""Labels at which the mean of a backend, or of one of its tasks, is half way from the prior."""
# Chosen on RouteLLM's and LLMRouter's rows; from 5 to 20 the result moves by less than 0.01 APGR,
# and averages over several gained nothing. Each row has length 1, so it does not grow with k.
PENALTY: Final = 8.0
DENSE_PENALTY: Final = 50.0
# How much the dense columns may speak before the penalty holds them.
_PER_COUNT: Final = 0.3 / np.array(SPREADS)
_CELL_SCALE: Final = 0.25
_CONSTANT: Final = 3.0
# A gram that one request alone has says nothing about another one.
MIN_REQUESTS: Final = 2
OUTSIDE: Final = 0.04
"""Share of the labeled requests that would be out of distribution for all the others."""
MOST_FAMILIAR: Final = 0.4
"""Nothing is asked beyond this: labels of one phrase must not shut out another wording."""


@dataclass(frozen=True, slots=True)
class Label:
    """How good one backend's answer to one request was."""

    request: Seen
    backend: str
    quality: float
    """0..1."""
    at_s: float
    """Unix time."""


@dataclass(frozen=True, slots=True)
class _Rated:
    """The labels of one backend."""

    row: Numbers
    """Of the requests."""
    quality: Floats
    weight: Floats
    """1 now, half after a half-life."""


@dataclass(frozen=True, slots=True)
class _Requests:
    """What the labels are about, one row for each request."""

    counts: Floats
    cells: Floats
    """1 where a request is in a cell, else 0."""
    cell_names: list[str]
    tasks: Numbers
    """Column of the request's task in `cells`."""
    grams: Sparse
    rarity: Floats
    """Of each column of `grams`."""
    kept: Numbers
    """Number in the vocabulary of each column."""
    shared: Sparse
    """Of words and pairs, those that at least MIN_REQUESTS other requests have."""
    sizes: Numbers
    """Different words and pairs of each request; 0 where the text is not known."""


def fit(
    labels: Sequence[Label],
    *,
    vocabulary: Vocabulary,
    backends: Sequence[str],
    prior: Weights,
    now_s: float,
    half_life_s: float,
    k0: float = K0,
) -> Weights:
    """
    Return weights for these backends; `prior` has to know them all.

    `labels` are of requests that this `vocabulary` has seen. A pair of labels of one request shares
    its `Seen`: it counts once among the requests.
    """
    prior = _of(prior, backends)
    labels = [label for label in labels if label.backend in backends]
    if not labels:
        return prior
    seen = {id(label.request): label.request for label in labels}
    at = {key: row for row, key in enumerate(seen)}
    requests = _observe(list(seen.values()), len(vocabulary))
    row = np.array([at[id(label.request)] for label in labels])
    backend = np.array([backends.index(label.backend) for label in labels])
    quality = np.clip([label.quality for label in labels], 0.0, 1.0)
    age = np.maximum([now_s - label.at_s for label in labels], 0.0)
    weight = 0.5 ** (age / half_life_s)
    heads = [
        _head(requests, prior, number, _Rated(row[own], quality[own], weight[own]), k0)
        for number in range(len(backends))
        for own in (backend == number,)
    ]
    return _assembled(requests, prior, heads, vocabulary, now_s)


@dataclass(frozen=True, slots=True)
class _Head:
    """What one backend's labels add to the prior."""

    base: float
    counts: Floats
    cells: Floats
    grams: Floats
    support: Floats
    """Decayed labels of each cell."""
    labels: float


def _of(prior: Weights, backends: Sequence[str]) -> Weights:
    order = [prior.backends.index(name) for name in backends]
    return msgspec.structs.replace(
        prior,
        backends=tuple(backends),
        base=tuple(prior.base[i] for i in order),
        counts=tuple(prior.counts[i] for i in order),
        cells={name: tuple(row[i] for i in order) for name, row in prior.cells.items()},
        grams="",
        codes=b"",
        scales=(),
        labels=(),
        support={},
    )


def _observe(seen: Sequence[Seen], size: int) -> _Requests:
    names: dict[str, int] = {}
    placed = [[names.setdefault(name, len(names)) for name in one.cells] for one in seen]
    cells = np.zeros((len(seen), len(names)))
    for i, one in enumerate(placed):
        cells[i, one] = 1.0
    counts = np.array([one.counts or difficulty.TYPICAL for one in seen])
    numbers = np.frombuffer(b"".join(one.numbers for one in seen), dtype=np.int64)
    lengths = np.array([len(one.numbers) // 8 for one in seen])
    requests = np.bincount(numbers, minlength=size)
    kept = np.flatnonzero(requests >= MIN_REQUESTS)
    column = np.full(size, -1)
    column[kept] = np.arange(len(kept))
    rarity = np.log((len(seen) + 1) / (requests[kept] + 1)) + 1
    rows = whose = np.repeat(np.arange(len(seen)), lengths)
    mine = column[numbers] >= 0
    place = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shared = place < np.array([one.grams for one in seen])[rows]
    shared &= requests[numbers] > MIN_REQUESTS
    rows, columns = rows[mine], column[numbers[mine]]
    values = rarity[columns]
    norm = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(seen)))
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(seen)))))
    grams = Sparse(columns, values / norm[rows], starts, len(kept))
    tasks = np.array([one[0] for one in placed])
    return _Requests(
        counts,
        cells,
        list(names),
        tasks,
        grams,
        rarity,
        kept,
        shared=_ones(whose[shared], column[numbers[shared]], len(seen), len(kept)),
        sizes=np.array([one.size for one in seen]),
    )


def _ones(rows: Numbers, columns: Numbers, height: int, width: int) -> Sparse:
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=height))))
    return Sparse(columns, np.ones(len(columns)), starts, width)


def _familiar(requests: _Requests, chosen: Numbers) -> float:
    """Return how familiar a request has to be, where these columns are in the weights."""
    texts = requests.sizes > 0
    if 2 * np.count_nonzero(texts) < len(texts):
        return 0.0  # most texts are not known, so what is known is no measure
    inside = np.zeros(requests.shared.width)
    inside[chosen] = 1.0
    shares = requests.shared.times(inside)[texts] / requests.sizes[texts]
    return min(float(np.quantile(shares, OUTSIDE)), MOST_FAMILIAR)


def _head(requests: _Requests, prior: Weights, number: int, rated: _Rated, k0: float) -> _Head:
    width = len(requests.cell_names)
    if not len(rated.row):
        nothing = np.zeros(width)
        grams = np.zeros(requests.grams.width)
        return _Head(0.0, np.zeros(len(COUNTS)), nothing, grams, nothing, 0.0)
    weight, total = rated.weight, float(rated.weight.sum())
    cells, counts = requests.cells[rated.row], requests.counts[rated.row]
    missing = rated.quality - _expected(requests, prior, number)[rated.row]
    # Levels first: the backend's own, then each task's.
    level = float(weight @ missing) / (K0_LEVEL + total)
    missing = missing - level
    tasks = requests.tasks[rated.row]
    by_task = np.bincount(tasks, weights=weight * missing, minlength=width)
    offset = by_task / (K0_LEVEL + np.bincount(tasks, weights=weight, minlength=width))
    missing = missing - offset[tasks]
    # Then what is left, by text.
    mean = np.average(counts, axis=0, weights=weight)
    center = np.average(cells, axis=0, weights=weight)
    dense = np.hstack(
        (
            np.full((len(counts), 1), _CONSTANT),
            (counts - mean) * _PER_COUNT,
            (cells - center) * _CELL_SCALE,
        )
    )
    root = np.sqrt(weight)
    sparse = requests.grams.rows(rated.row).scaled(root)
    grams, rest = ridge(sparse, dense * root[:, None], missing * root, PENALTY, DENSE_PENALTY)
    trust = total / (total + k0)
    constant, per_count, per_cell = np.split(trust * rest, (1, 1 + len(COUNTS)))
    per_count = per_count * _PER_COUNT
    per_cell = per_cell * _CELL_SCALE
    return _Head(
        base=level + float(constant[0] * _CONSTANT - per_count @ mean - per_cell @ center),
        counts=per_count,
        cells=offset + per_cell,
        grams=trust * grams * requests.rarity,
        support=weight @ cells,
        labels=total,
    )


def _expected(requests: _Requests, prior: Weights, number: int) -> Floats:
    """Return the quality of each request that the prior expects of a backend."""
    nothing = (0.0,) * len(prior.backends)
    cells = np.array([prior.cells.get(name, nothing)[number] for name in requests.cell_names])
    counts = np.array(prior.counts[number])
    expected: Floats = prior.base[number] + requests.counts @ counts + requests.cells @ cells
    return expected


def _assembled(
    requests: _Requests,
    prior: Weights,
    heads: Sequence[_Head],
    vocabulary: Vocabulary,
    now_s: float,
) -> Weights:
    cells = dict(prior.cells)
    for column, name in enumerate(requests.cell_names):
        before = cells.get(name, (0.0,) * len(heads))
        cells[name] = tuple(
            old + float(head.cells[column]) for old, head in zip(before, heads, strict=True)
        )
    support = {
        name: float(min(head.support[column] for head in heads))
        for column, name in enumerate(requests.cell_names)
        if name.startswith("task:")
    }
    table = np.column_stack([requests.rarity**2, *(head.grams for head in heads)])
    most = MOST_CODES // table.shape[1]
    chosen = np.arange(len(table))
    if len(table) > most:
        weighty = np.abs(table[:, 1:]).max(axis=1)
        chosen = np.sort(np.argsort(-weighty, kind="stable")[:most])
    scales = np.abs(table[chosen]).max(axis=0, initial=0.0) / RANGE
    scales[scales == 0] = 1.0
    all_grams = vocabulary.grams()
    return msgspec.structs.replace(
        prior,
        base=tuple(old + head.base for old, head in zip(prior.base, heads, strict=True)),
        counts=tuple(
            tuple(old + float(new) for old, new in zip(row, head.counts, strict=True))
            for row, head in zip(prior.counts, heads, strict=True)
        ),
        cells=cells,
        grams="\n".join([all_grams[number] for number in requests.kept[chosen].tolist()]),
        codes=to_bytes(np.rint(table[chosen] / scales).astype(int).ravel().tolist()),
        scales=tuple(map(float, scales)) if len(chosen) else (),
        labels=tuple(head.labels for head in heads),
        familiar=_familiar(requests, chosen),
        support=support,
        fitted_at_s=now_s,
    )
