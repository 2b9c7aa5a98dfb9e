"""Figures of the control side; label values are from closed sets, never from user input."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ControlMetrics:
    """Registered once in the registry that `/metrics` prints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.epoch = Gauge(
            "pointsman_router_table_epoch", "Epoch of the table in force.", registry=registry
        )
        self.serial = Gauge(
            "pointsman_router_table_serial", "Serial of the table in force.", registry=registry
        )
        self.policies = Gauge(
            "pointsman_router_policies",
            "Policies of the manifest in force, by what became of them.",
            ["state"],
            registry=registry,
        )
        self.offers = Counter(
            "pointsman_router_table_offers",
            "Offered manifests, by verdict.",
            ["verdict"],
            registry=registry,
        )
        self.watch_failures = Counter(
            "pointsman_router_watch_failures",
            "Interrupted lists and watches, by what was watched and why.",
            ["watch", "reason"],
            registry=registry,
        )
        self.poison = Counter(
            "pointsman_router_unreadable_objects",
            "Objects from the API server that could not be read and were left out.",
            ["watch"],
            registry=registry,
        )
        self.store_failures = Counter(
            "pointsman_router_state_write_failures",
            "Failed writes of last-known-good state, by document.",
            ["document"],
            registry=registry,
        )
        self.store_refused = Counter(
            "pointsman_router_state_refused",
            "Stored files that were not used because they are damaged or foreign, by document.",
            ["document"],
            registry=registry,
        )
        self.credential_problems = Gauge(
            "pointsman_router_policies_lacking_credentials",
            "Policies of which at least one API key is missing.",
            registry=registry,
        )
        self.callers = Gauge(
            "pointsman_router_callers", "Callers with a key that counts.", registry=registry
        )
        self.caller_problems = Gauge(
            "pointsman_router_caller_problems",
            "Entries and Secrets of callers that let nobody in, by reason.",
            ["reason"],
            registry=registry,
        )
        self.streams = Gauge(
            "pointsman_router_admin_streams", "Open admin streams.", registry=registry
        )
        self.streams_dropped = Counter(
            "pointsman_router_admin_streams_dropped",
            "Admin streams that the router ended, by reason.",
            ["reason"],
            registry=registry,
        )
        self.control_failures = Counter(
            "pointsman_router_control_failures",
            "Parts of the control side that failed by a bug and were started again.",
            ["part"],
            registry=registry,
        )
