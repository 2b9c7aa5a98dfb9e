"""What may stand in governance of a backend and of a policy, good and not quite."""

from typing import Any

from hypothesis import strategies as st

_SHORT = ["30s", "720h", "0s", "a", ""]
digests = st.sampled_from(
    ["sha256:" + "a" * 64, "sha256:" + "b" * 64, "sha256:" + "A" * 64, "sha256:", "a" * 64]
)
moments = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01",
    ]
)
classes = st.sampled_from(["Public", "Internal", "Confidential", "Restricted", "public", ""])
words = st.lists(st.sampled_from(["MIT", "eu-1", "SOC2", "a b", "", "é"]), max_size=3)


def _any(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


approvals = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["ada", ""]),
        "evidence": st.just("https://example.org"),
        "approvedAt": moments,
        "expiresAt": moments,
    },
    optional={"modelDigest": digests},
)
of_backends = _any(
    license=st.sampled_from(["MIT", "Apache-2.0", "a b", ""]),
    provenance=_any(source=st.sampled_from(["hf://a/b", ""]), digest=digests),
    dataHandling=_any(
        retention=st.sampled_from(_SHORT),
        trainingUse=st.sampled_from([True, False, "false"]),
        regions=words,
        certifications=words,
        maxDataClass=classes,
    ),
    approval=approvals,
)
of_policies = _any(
    require=_any(
        approved=st.sampled_from([True, False, "true"]),
        licenses=words,
        regions=words,
        certifications=words,
        noTraining=st.booleans(),
        maxRetention=st.sampled_from(_SHORT),
    ),
    dataClass=classes,
    detect=st.fixed_dictionaries(
        {"dataClass": classes},
        optional={
            "builtIn": st.lists(st.sampled_from(["ApiKey", "Email", "Name"]), max_size=3),
            "patterns": st.lists(
                st.sampled_from(["a+", "(", "(?=a)", "a*", r"\C", "a{100}"]), max_size=2
            ),
        },
    ),
)
