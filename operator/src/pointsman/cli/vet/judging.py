"""PURE: whether a model passed, and the approval that says so."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from pointsman.api.v1alpha1 import Governance
from pointsman.cli.vet.prompts import GROUPS, group_of
from pointsman.evaluation.suite.summary import Scores

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one group of prompts."""

    name: str
    right: int
    asked: int
    passed: bool


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that was not answered right each time; no text of an answer is kept."""

    prompt: str
    scores: list[float | None]
    reasons: list[str]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is stated of the model; `passed` None: there was nothing to compare."""

    name: str
    passed: bool | None
    told: str


class Vetting(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report: what an approval's `evidence` is the digest of."""

    target: str
    model: str
    url: str
    suite: str
    """Digest of what was asked."""
    runs: int
    at_least_percent: int
    at: str
    digest: str
    """The backend's provenance.digest; empty if it states none."""
    identities: list[str]
    groups: list[Group]
    checks: list[Check]
    wrong: list[Wrong]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against an approval."""
        stated = all(check.passed is not False for check in self.checks)
        return stated and all(group.passed for group in self.groups)


def grouped(prompts: Sequence[Scores], at_least_percent: int) -> list[Group]:
    """An answer that was not given, or cannot be told, is not right."""
    found = []
    for name in GROUPS:
        scores = [score for one in prompts if group_of(one.prompt) == name for score in one.scores]
        right = sum(score == 1.0 for score in scores)
        passed = bool(scores) and right * 100 >= at_least_percent * len(scores)
        found.append(Group(name=name, right=right, asked=len(scores), passed=passed))
    return found


def wrongs(prompts: Sequence[Scores]) -> list[Wrong]:
    """Every prompt with an answer that was not right."""
    return [
        Wrong(prompt=one.prompt, scores=one.scores, reasons=one.reasons)
        for one in prompts
        if any(score != 1.0 for score in one.scores)
    ]


def stated(
    about: Governance | None,
    *,
    licenses: Sequence[str],
    measured: str | None,
    needs_digest: bool,
) -> list[Check]:
    """License and digest; `measured` is the digest of the weights that were at hand."""
    license_ = about.license if about else None
    allowed = license_ is not None and (not licenses or license_ in licenses)
    digest = about.provenance.digest if about and about.provenance else None
    told = license_ or "the backend states no governance.license"
    if license_ and not allowed:
        told = f"{license_} is none of {', '.join(licenses)}"
    matches, why = (not needs_digest or digest is not None), digest or "none is stated"
    if measured is not None:
        matches = measured == digest
        why = digest if matches and digest else f"the weights have {measured}, stated is {why}"
    return [
        Check(name="license", passed=allowed, told=told),
        Check(name="digest", passed=matches, told=why),
    ]


def table(vetting: Vetting) -> str:
    """The report for a person."""
    word = {True: "passed", False: "FAILED", None: "not checked"}
    lines = [f"{vetting.target}: {vetting.model} at {vetting.url}"]
    lines += [
        f"  {group.name:<10} {word[group.passed]:<12} {group.right} of {group.asked} right"
        for group in vetting.groups
    ]
    lines += [f"  {one.name:<10} {word[one.passed]:<12} {one.told}" for one in vetting.checks]
    for one in vetting.wrong:
        why = ", ".join(dict.fromkeys(reason for reason in one.reasons if reason)) or "not right"
        lines.append(f"    {one.prompt}: {why}")
    return "\n".join(lines) + "\n"


def approval(vetting: Vetting, *, by: str | None, evidence: str, days: int) -> str:
    """`spec.governance.approval` as YAML."""
    begins = datetime.strptime(vetting.at, _MOMENT)  # noqa: DTZ007 - both ends are UTC
    lines = [
        "governance:",
        "  approval:",
        f"    by: {by or 'YOUR-NAME'}",
        f"    evidence: {evidence}",
        *([f"    modelDigest: {vetting.digest}"] if vetting.digest else []),
        f'    approvedAt: "{vetting.at}"',
        f'    expiresAt: "{(begins + timedelta(days=days)).strftime(_MOMENT)}"',
    ]
    return "\n".join(lines) + "\n"
