"""What is told twice is one Event."""

from pointsman.operator.plan.events import event_of
from tests.operator.objects import policy


def named(*, now: str, version: str, note: str = "a is worse", of_version: bool = True) -> str:
    item = policy()
    item["metadata"]["resourceVersion"] = version
    event = event_of(
        item, kind="Warning", reason="DriftDetected", note=note, instance="one", now=now,
        of_version=of_version,
    )  # fmt: skip
    return str(event["metadata"]["name"])


def test_one_version_is_told_of_once() -> None:
    """Whenever: who was killed before its status was written is followed by one who tells again."""
    first = named(now="2026-11-26T10:00:00Z", version="7")

    assert named(now="2026-11-26T10:00:09Z", version="7") == first
    assert named(now="2026-11-26T10:00:00Z", version="8") != first
    assert named(now="2026-11-26T10:00:00Z", version="7", note="b is worse") != first


def test_one_moment_is_told_of_once() -> None:
    """Where the news has a time of its own."""
    first = named(now="2026-11-26T10:00:00Z", version="7", of_version=False)

    assert named(now="2026-11-26T10:00:00Z", version="8", of_version=False) == first
    assert named(now="2026-11-26T10:00:09Z", version="7", of_version=False) != first
