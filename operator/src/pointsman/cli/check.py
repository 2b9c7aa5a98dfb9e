"""`pointsman check PATH`: the API server's verdict and more, without one."""

import sys
from collections.abc import Sequence
from textwrap import indent

from pointsman.api.manifests import Severity, cross_check, load
from pointsman.cli.callers import callers_secrets, check_callers
from pointsman.cli.languages import check_languages
from pointsman.cli.policytests import check_tests
from pointsman.cli.suites import check_suites


def check(paths: Sequence[str]) -> int:
    """
    Print every finding as `file:line: path: message`; 1 if any is an error.

    Below a test that fails stands what `pointsman explain` says of it.
    """
    loaded = load(paths)
    failed = check_tests(loaded)
    findings = sorted(
        (
            *loaded.problems,
            *cross_check(loaded),
            *check_callers(loaded),
            *check_suites(loaded),
            *check_languages(loaded),
            *failed,
        ),
        key=lambda finding: finding.position,
    )
    for finding in findings:
        print(finding, file=sys.stderr)
        if explanation := failed.get(finding):
            print(indent(explanation, "    "), file=sys.stderr)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if errors:
        print(f"{errors} {'error' if errors == 1 else 'errors'}", file=sys.stderr)
        return 1
    if not (loaded.backends or loaded.policies or loaded.suites or loaded.others):
        print(f"no object in {', '.join(paths)}", file=sys.stderr)
        return 1
    backends = _counted(len(loaded.backends), "ModelBackend", "ModelBackends")
    policies = _counted(len(loaded.policies), "RoutingPolicy", "RoutingPolicies")
    parts = [backends, policies]
    if loaded.suites:
        parts.append(_counted(len(loaded.suites), "EvaluationSuite", "EvaluationSuites"))
    callers = len(callers_secrets(loaded))
    if tests := sum(len(policy.value.spec.tests) for policy in loaded.policies):
        print(_counted(tests, "test passes", "tests pass"))
    if callers:
        parts.append(_counted(callers, "Secret of callers", "Secrets of callers"))
    print(f"{', '.join(parts[:-1])} and {parts[-1]} are valid")
    return 0


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
