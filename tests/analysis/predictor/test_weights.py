"""Weights travel as JSON and are refused where parts do not fit."""

import msgspec
import pytest

from pointsman.analysis.predictor import (
    VERSION,
    InvalidWeights,
    Predictor,
    Weights,
    decode,
    encode,
    weights_of,
)
from pointsman.analysis.predictor.features import COUNTS
from pointsman.analysis.predictor.weights import to_bytes
from tests.analysis.predictor.asking import ask


def learned(**changed: object) -> Weights:
    """Two backends; "kettle" speaks for the first, "kettle boils" for the second."""
    weights = Weights(
        backends=("a", "b"),
        base=(0.5, 0.5),
        counts=((0.0,) * len(COUNTS),) * 2,
        grams="kettle\nkettle boils",
        codes=to_bytes([1, 200, 0, 1, 0, 400]),
        scales=(1.0, 0.001, 0.001),
        labels=(100.0, 90.0),
        support={"task:Chat": 90.0},
        familiar=0.2,
    )
    return msgspec.structs.replace(weights, **changed)


def test_they_survive_the_way() -> None:
    """Encoded and decoded they are equal."""
    assert decode(encode(learned())) == learned()


def test_words_and_pairs_count() -> None:
    """Each by its weight over the root of how many were found."""
    predictor = Predictor(learned())

    assert ask(predictor, "the kettle").quality == pytest.approx({"a": 0.7, "b": 0.5}, abs=1e-4)
    two = ask(predictor, "kettle boils").quality
    assert two == pytest.approx({"a": 0.5 + 0.2 / 2**0.5, "b": 0.5 + 0.4 / 2**0.5}, abs=1e-4)


def test_unknown_words_are_out_of_distribution() -> None:
    """Less than a fifth known: no confidence, and the evidence says why without a word of it."""
    prediction = ask(Predictor(learned()), "qwfp zxcv arst neio kettlex wd")

    assert not prediction.known
    assert prediction.confidence == 0
    assert "out of distribution" in prediction.evidence
    assert "qwfp" not in " ".join(prediction.evidence)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": VERSION + 1}, "version"),
        ({"base": (0.5,)}, "base"),
        ({"codes": b"\0\0"}, "codes"),
        ({"scales": (1.0,)}, "scales"),
        ({"labels": (1.0,)}, "labels"),
        ({"counts": ((0.0,),) * 2}, "counts"),
        ({"cells": {"task:Chat": (1.0,)}}, "cells"),
        ({"backends": ("a", "a")}, "backends"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: dict[str, object], says: str) -> None:
    """By name."""
    with pytest.raises(InvalidWeights, match=says):
        decode(encode(learned(**changed)))


def test_what_is_not_weights_is_refused() -> None:
    """Not JSON, or another document."""
    for raw in (b"", b"[]", b"{}", b'{"backends": 3}'):
        with pytest.raises(InvalidWeights, match="not weights"):
            decode(raw)


def test_no_backend_is_no_error() -> None:
    """A policy can be empty."""
    assert ask(Predictor(weights_of({})), "hello").quality == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "🙂" * 50,
        "a" * 1_000_000,
        "\ud800 lone",
        "שלום עולם",
        "a\u200bb",
        "kettle " * 9_000,
    ],
    ids=["empty", "space", "emoji", "1 MB", "surrogate", "right to left", "zero width", "long"],
)
def test_any_text_gets_an_answer(text: str) -> None:
    """Between 0 and 1."""
    quality = ask(Predictor(learned()), text).quality

    assert set(quality) == {"a", "b"}
    assert all(0 <= value <= 1 for value in quality.values())
