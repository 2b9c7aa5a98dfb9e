"""Which files need not even be read for a selection of tests, and which tests are repeated.

Reading a file imports all it needs.

Guarantees that no test is lost: a file is left out only where `-m` names marks that no test may
have (`not bench and not local`), and every test of the file has one of them.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
LONG: Final = ("browser", "faults", "fuzz", "sdk")
"""Folders whose tests talk to real SDKs and watchers or search for long: `local`, all of them."""
_WINDOWS: Final = """
    console drift drift_story evaluating fleet governance keda many plugin probes reevaluate replay
    rollout scaling shadow shifting spill suites zero
"""
_EXTENDED: Final = """
    browser charts/test_gitops.py charts/test_kustomize.py charts/test_lifecycle.py
    cli/migration/test_litellm_itself.py cli/test_mistakes.py docs/test_site.py
    docs/test_walks.py faults/test_cycle.py faults/test_matrix.py faults/test_stories.py
    images/test_image.py images/test_other_processor.py ledger/test_faults.py
    ledger/test_on_bench.py ledger/test_planted.py ledger/reviewing/test_race.py
    ledger/test_slow_questions.py local/test_asked_twice.py local/test_console.py
    local/test_endings.py local/test_learning.py local/test_rollouts.py local/test_shadow.py
    local/test_story.py local/test_switching.py local/test_texts.py
    perf/predictor perf/test_ledger.py perf/test_router.py router/test_spill_under_load.py
    security/test_installed.py sim/feedback test_compiled.py upgrade/test_formats.py
    upgrade/test_on_bench.py
"""
EXTENDED: Final = (
    *(f"operator/test_{name}_on_bench.py" for name in _WINDOWS.split()),
    *_EXTENDED.split(),
)
"""Files and folders that take minutes: not in `make test`, but in `make test-extended`."""
_SLOW: Final = """
    charts/test_flows.py charts/test_install_page.py charts/test_values.py
    cli/people/test_asking.py cli/test_report.py cli/test_rollout.py
    evaluation/drift/test_baseline.py events/test_ship.py ledger/reviewing/test_webhooks.py
    ledger/reviews/test_review.py ledger/test_deadlines.py ledger/test_service.py
    operator/scaling/test_laws.py operator/test_kept.py router/control/test_admin_wire.py
    router/control/test_balancer.py router/control/test_port.py router/control/test_watch.py
    router/otlp/test_sender.py router/serve/review/test_faults.py
    router/serve/review/test_held.py router/serve/review/test_polling.py
    router/serve/review/test_seen.py router/serve/test_arms.py router/serve/test_endpoints.py
    router/serve/test_leaving.py router/serve/test_proxy.py simulator/test_speed.py
    upgrade/test_back.py upgrade/test_kinds_too_old.py
"""
SLOW: Final = tuple(_SLOW.split())
"""Files whose tests took more than 0.12 s each: not in `make check`."""
PROMISES: Final = ("e2e", "faults", "fuzz", "upgrade", "pods", "security")
"""Folders where a promise that is broken once is broken."""
LATE: Final = ("BenchBroken", "CommandFailed", r"^TimeoutError\b", r"^AssertionError: waited \d")
"""What is raised where a busy machine did not come so far in time, and no promise was broken."""
_MARKS: Final = re.compile(r"^pytestmark = (.*)$", re.MULTILINE)
_MARK: Final = re.compile(r"pytest\.mark\.(\w+)")


def unwanted(expression: str) -> frozenset[str]:
    """The marks of which `-m` wants none; empty if it says anything else."""
    found = [re.fullmatch(r"not (\w+)", part.strip()) for part in expression.split(" and ")]
    if not all(found):
        return frozenset()
    return frozenset(one[1] for one in found if one)


def marks_of(path: Path) -> frozenset[str]:
    """Those that every test of a file has."""
    by_folder = {"local"} if is_long(path) else set()
    by_folder |= {"extended"} if is_extended(path) else set()
    by_folder |= {"slow"} if is_slow(path) else set()
    own = _MARKS.findall(path.read_text(encoding="utf-8"))
    return frozenset(by_folder.union(*map(_MARK.findall, own)))


def is_long(path: Path) -> bool:
    """Whether the file is in one of these folders."""
    return path.relative_to(TESTS).parts[0] in LONG


def is_extended(path: Path) -> bool:
    """Whether the file, or a folder that it is in, is one of these."""
    name = path.relative_to(TESTS).as_posix()
    return any(name == one or name.startswith(f"{one}/") for one in EXTENDED)


def is_slow(path: Path) -> bool:
    """Whether the file is one of these."""
    return path.relative_to(TESTS).as_posix() in SLOW


def reruns(path: Path, marks: Collection[str]) -> tuple[str, ...]:
    """
    After which errors a test that failed is played once more, said aloud.

    Empty: after any, where two cores are shared with control planes and browsers. Whatever else a
    quick test or one of a promise finds stands, but not that it waited in vain once.
    """
    promised = path.relative_to(TESTS).parts[0] in PROMISES
    return LATE if promised or {"bench", "local"}.isdisjoint(marks) else ()
