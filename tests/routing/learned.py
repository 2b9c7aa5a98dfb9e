"""Weights made by hand: what each backend is good at, in a few words."""

import msgspec

from pointsman.analysis.predictor import Weights, encode
from pointsman.analysis.predictor.features import COUNTS
from pointsman.api.predicting import Chooser


def weights(quality: dict[str, float], **fields: object) -> Weights:
    """One quality for each backend, whatever is asked."""
    size = len(quality)
    values: dict[str, object] = {"prior_confidence": 0.5, **fields}
    return Weights(
        backends=tuple(quality),
        base=tuple(quality.values()),
        counts=((0.0,) * len(COUNTS),) * size,
        **values,  # type: ignore[arg-type]
    )


def chooser(quality: dict[str, float], **fields: object) -> Chooser:
    """A predictor in mode Apply, for the default route, by quality alone unless said otherwise."""
    learned = fields.pop("learned", None) or weights(quality)
    assert isinstance(learned, Weights)
    values: dict[str, object] = {
        "mode": "Apply", "candidates": tuple(quality), "routes": ("default",), "prefer": "Quality",
        "weights": msgspec.Raw(encode(learned)), **fields,
    }  # fmt: skip
    return Chooser(**values)  # type: ignore[arg-type]
