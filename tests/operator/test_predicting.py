"""The predictor of a policy in its blob: settings as the spec says, weights as learned."""

from typing import Any

from pointsman.analysis.predictor import decode
from pointsman.api import table
from pointsman.api.predicting import Chooser, Trait
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import parse
from pointsman.operator.plan.blobs import compile_blob
from pointsman.operator.plan.predicting import Learned, candidates_of
from tests.routing.learned import weights

BACKENDS = {
    name: parse(
        ModelBackend,
        {
            "metadata": {"name": name},
            "spec": {
                "model": model,
                "family": family,
                "service": {"name": name, "port": 8000},
            },
        },
    )
    for name, family, model in (
        ("qwen", "Qwen", "Qwen3-235B-A22B-Instruct-2507"),
        ("kimi", "Kimi", "Kimi-K2-Instruct"),
        ("own", "Other", "our-model"),
    )
}


def spec(
    predictor: dict[str, Any] | None, *, rule: str = "Bypass", default: str = "Choose"
) -> RoutingPolicy:
    """Coding to kimi, or own; all else to qwen."""
    value = {
        "metadata": {"name": "p"},
        "spec": {
            "modelNames": ["auto"],
            "rules": [
                {
                    "name": "code",
                    "match": {"task": ["Coding"]},
                    "targets": [
                        {"backendRef": {"name": "kimi"}},
                        {"backendRef": {"name": "qwen"}, "weight": 0},
                    ],
                    "fallback": {"chain": [{"name": "own"}]},
                    "predictor": rule,
                }
            ],
            "default": {"targets": [{"backendRef": {"name": "qwen"}}], "predictor": default},
            "predictor": predictor,
        },
    }
    return parse(RoutingPolicy, value)


def compiled(policy: RoutingPolicy, learned: Learned | None = None) -> Chooser | None:
    """What a router gets."""
    blob = compile_blob(
        namespace="ns", policy="p", revision="p-1", spec=policy.spec, backends=BACKENDS,
        model_names=("auto",), learned=learned,
    )  # fmt: skip
    return table.decode_blob(blob).predictor


def test_without_a_predictor_nothing_is_sent() -> None:
    """Nor with mode None."""
    assert compiled(spec(None)) is None
    assert compiled(spec({"mode": "None"})) is None
    assert candidates_of(spec({"mode": "None"}).spec) == ()


def test_who_names_no_candidates_gets_all_that_answer() -> None:
    """Of rules and default, with their fallbacks; each once; the mode is Observe."""
    found = compiled(spec({}))
    assert found is not None
    assert found.candidates == ("kimi", "own", "qwen")
    assert (found.mode, found.routes, found.prefer) == ("Observe", ("default",), "Balanced")


def test_settings_are_shares_and_billionths() -> None:
    """As the router wants them."""
    found = compiled(
        spec(
            {
                "mode": "Apply",
                "candidates": [{"name": "qwen"}, {"name": "own"}],
                "objective": {
                    "prefer": "Cost", "qualityFloorPercent": 70, "maxCostPerRequest": "0.05",
                },
                "minConfidencePercent": 40,
                "switchMarginPercent": 3,
                "explorationPercent": 2,
            },
            default="Bypass",
        )
    )  # fmt: skip
    assert found is not None
    assert (found.mode, found.candidates, found.routes) == ("Apply", ("qwen", "own"), ())
    assert (found.prefer, found.quality_floor, found.max_cost_nano) == ("Cost", 0.7, 50_000_000)
    assert (found.min_confidence, found.switch_margin, found.exploration) == (0.4, 0.03, 0.02)


def test_before_anything_is_learned_the_families_priors_are_sent() -> None:
    """Figures that were published, by backend."""
    found = compiled(spec({}))
    assert found is not None
    prior = decode(bytes(found.weights))
    assert prior.backends == ("kimi", "own", "qwen")
    assert prior.labels == ()


def test_what_was_learned_is_sent_as_it_is() -> None:
    """With what the answers were like, of candidates only."""
    own = weights({"qwen": 0.8, "kimi": 0.4})
    traits = {"qwen": Trait(output_tokens=90), "gone": Trait(output_tokens=1)}
    found = compiled(spec({}), Learned(own, traits))
    assert found is not None
    assert decode(bytes(found.weights)) == own
    assert found.traits == {"qwen": Trait(output_tokens=90)}


def test_choose_and_bypass_name_the_routes() -> None:
    """A rule bypasses unless it says Choose, the default the other way round."""
    found = compiled(spec({}, rule="Choose", default="Bypass"))
    assert found is not None
    assert found.routes == ("code",)
