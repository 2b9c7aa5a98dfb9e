"""How often the predictor abstains: noise of a keyboard, other fields, and its own field."""

import random
from dataclasses import dataclass

import numpy as np

from pointsman.analysis import Analysis
from pointsman.analysis.predictor import Predictor
from pointsman.analysis.text import Text
from pointsman.evaluation import Label, Vocabulary, fit
from tests.perf.predictor.data import analyzed, domains
from tests.perf.predictor.protocol import PAIR, prior

Request = tuple[Text, Analysis]
SCOPES: tuple[tuple[tuple[str, ...], int], ...] = (
    (("banking",), 300),
    (("assistant",), 300),
    (("maths",), 300),
    (("code",), 300),
    (("documents",), 300),
    (("medicine",), 300),
    (("law",), 300),
    (("banking", "assistant"), 500),
    (("maths", "code"), 500),
    (("assistant", "code", "documents"), 900),
    (("trivia", "maths", "code", "banking"), 1200),
)
"""The fields that labels are of, and how many labels."""
_KEYS = ("abcdefghijklmnopqrstuvwxyz", "asdfjklghqwer", "qwertyuiop asdfghjkl; zxcvbnm,./")


@dataclass(frozen=True, slots=True)
class Abstained:
    """Shares of requests, 0..1."""

    scope: tuple[str, ...]
    inside: float
    noise: float
    fields: dict[str, float]
    """Every field that is not in scope."""

    @property
    def held_out(self) -> float:
        """The mean over the other fields."""
        return float(np.mean(list(self.fields.values())))


def noise(dice: random.Random) -> str:
    """Return what hands do on a keyboard: letters, the home row, rows with signs, symbols."""
    words, kind = dice.randint(1, 25), dice.randrange(4)
    if kind < 2:
        return " ".join(
            "".join(dice.choices(_KEYS[kind], k=dice.randint(2, 12))) for _ in range(words)
        )
    keys = _KEYS[2] if kind == 2 else "!@#$%^&*()_+1234567890 xyz"
    return "".join(dice.choices(keys, k=6 * words))


def judge(scope: tuple[str, ...], k: int, *, most: int, seed: int = 1) -> Abstained:
    """Fit on k requests of the scope, then ask everything; at most so many requests of a field."""
    dice = random.Random(seed)
    mine = [request for name in scope for request in dice.sample(domains()[name], k=600)]
    dice.shuffle(mine)
    vocabulary = Vocabulary()
    labels = [
        Label(vocabulary.see(*request), name, dice.random(), 0.0)
        for request in mine[:k]
        for name in PAIR[:1]
    ]
    weights = fit(
        labels, vocabulary=vocabulary, backends=PAIR, prior=prior(), now_s=0.0, half_life_s=1e6
    )
    predictor = Predictor(weights)

    def share(requests: list[Request]) -> float:
        return float(np.mean([not predictor.predict(*request).known for request in requests]))

    others = {name: found for name, found in domains().items() if name not in scope}
    return Abstained(
        scope=scope,
        inside=share(mine[k : k + most]),
        noise=share([analyzed(noise(dice)) for _ in range(most)]),
        fields={
            name: share(dice.sample(found, k=min(most, len(found))))
            for name, found in others.items()
        },
    )


def judge_all(*, most: int) -> list[Abstained]:
    """Return one for each of SCOPES."""
    return [judge(scope, k, most=most) for scope, k in SCOPES]
