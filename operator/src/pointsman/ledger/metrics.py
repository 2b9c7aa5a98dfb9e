"""What the ledger says of itself. Labels are of fixed sets: no spool, no name of an event."""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pointsman.ledger.contract import Kept, Taken
from pointsman.ledger.people.identity import Turned
from pointsman.ledger.rows import Refusal

KINDS: Final = ("request", "feedback", "waiting", "replicas", "evaluation", "review")


class Metrics:
    """One for a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.answers = Counter(
            "pointsman_ledger_ingests", "Requests with events, by status.", ["code"],
            registry=registry,
        )  # fmt: skip
        self.events = Counter(
            "pointsman_ledger_events", "Events that were taken.", ["kind"], registry=registry
        )
        self.refused = Counter(
            "pointsman_ledger_refused_events", "Events that were not kept, and why.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self.lost = Counter(
            "pointsman_ledger_lost_events", "Events that routers say they dropped.",
            registry=registry,
        )  # fmt: skip
        self.known = Counter(
            "pointsman_ledger_known_events", "Events that came again, and were skipped.",
            registry=registry,
        )  # fmt: skip
        self.store_failures = Counter(
            "pointsman_ledger_store_failures", "Calls of the store that failed.", registry=registry
        )
        self.seconds = Histogram(
            "pointsman_ledger_ingest_seconds", "From a whole body to the commit.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10), registry=registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "pointsman_ledger_waiting", "Requests with events that are not answered yet.",
            registry=registry,
        )  # fmt: skip
        self.removed = Counter(
            "pointsman_ledger_removed_rows", "Rows that retention removed; days are whole tables.",
            ["table"], registry=registry,
        )  # fmt: skip
        self.upkeep_s = Gauge(
            "pointsman_ledger_upkeep_timestamp_seconds", "When retention last had nothing to do.",
            registry=registry,
        )  # fmt: skip
        self.turned = Counter(
            "pointsman_ledger_refused_people", "Requests of people that were refused, and why.",
            ["reason"], registry=registry,
        )  # fmt: skip
        for turned in get_args(Turned):
            self.turned.labels(turned)
        for kind in KINDS:
            self.events.labels(kind)
        for reason in get_args(Refusal):
            self.refused.labels(reason)

    def took(self, taken: Taken) -> None:
        """Count one committed batch."""
        self.known.inc(taken.known)
        self.lost.inc(taken.lost)
        self.events.labels("request").inc(taken.requests)
        self.events.labels("feedback").inc(taken.feedback)
        self.events.labels("waiting").inc(taken.waiting)
        self.events.labels("replicas").inc(taken.windows)
        self.events.labels("evaluation").inc(taken.evaluations)
        self.events.labels("review").inc(taken.reviews)
        for reason, count in taken.refused.items():
            self.refused.labels(reason).inc(count)

    def kept(self, kept: Kept) -> None:
        """Count one step of retention."""
        self.events.labels("feedback").inc(kept.bound)
        for table, count in kept.removed.items():
            self.removed.labels(table).inc(count)
        for reason, count in kept.refused.items():
            self.refused.labels(reason).inc(count)
