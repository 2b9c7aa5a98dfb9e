"""Languages in rules that no request is ever in, for `pointsman check`."""

from collections.abc import Iterator
from typing import Final

from pointsman.analysis.language import codes
from pointsman.api.conditions import Reason
from pointsman.api.manifests import Finding, Loaded, Severity

_MEANT: Final = {
    "cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "il": "he", "ir": "fa", "iw": "he", "jp": "ja",
    "kr": "ko", "nb": "no", "nn": "no", "rs": "sr", "se": "sv", "ua": "uk", "vn": "vi",
}  # fmt: skip
"""Countries, and codes that the analysis has another one for."""


def check_languages(loaded: Loaded) -> Iterator[Finding]:
    """A warning for each code that the router gives no request; the rule is valid all the same."""
    told = codes()
    for policy in loaded.policies:
        for i, rule in enumerate(policy.value.spec.rules_):
            for j, way in enumerate(rule.ways()):
                match = "match" if rule.match else f"matches[{j}]"
                for k, code in enumerate(way.language):
                    if code not in told:
                        path = f"spec.rules[{i}].{match}.language[{k}]"
                        why = Reason.RULE_NEVER_MATCHES
                        yield policy.finding(path, _never(code), why, Severity.WARNING)


def _never(code: str) -> str:
    meant = f" (did you mean {_MEANT[code]}?)" if code in _MEANT else ""
    return f"{code} never matches: it is no language that the router tells{meant}"
