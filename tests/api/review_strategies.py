"""What may stand in reviews of a policy, good and not quite."""

from typing import Any

from hypothesis import strategies as st

from tests.api import governance_strategies

_DURATIONS = st.sampled_from(["1s", "10m", "24h", "25h", "0s", "9601h", "a", ""])
_REFS = st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "A", ""])})
_STAGES = st.sampled_from(["Request", "Answer", "Both"])


def _review(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"mode": st.sampled_from(["Flag", "Escalate", "Hold", "Hold", "hold"])} | more,
        optional={"stage": _STAGES, "priority": st.sampled_from(["Low", "Normal", "High", ""])},
    )


of_rules = _review()
_URLS = st.sampled_from([
    "https://example.org/a", "http://example.org", "http://localhost:8/a", "https://a@b.org/",
    "https://example.org/a#b", "",
])  # fmt: skip
of_policies = st.fixed_dictionaries(
    {},
    optional={
        "deadline": _DURATIONS,
        "onTimeout": st.sampled_from(["Deny", "Fallback", "Allow"]),
        "fallbackRef": _REFS,
        "escalateTo": st.lists(_REFS, max_size=3),
        "lowConfidence": _review(below=st.sampled_from(["0.5", "1", "0", "0.0", "1.5", 0.5, ""])),
        "dataClass": _review(atLeast=governance_strategies.classes),
        "maxHeld": st.sampled_from([1, 200, 10_000, 10_001, 0]),
        "retention": _DURATIONS,
        "webhooks": st.lists(
            st.fixed_dictionaries(
                {"url": _URLS},
                optional={"secretRef": st.fixed_dictionaries({"name": st.just("hook")})},
            ),
            max_size=2,
        ),
    },
)
