"""Every knob of the ledger's process: flag, environment variable, default and its reason.

Guarantees that a `Settings` value is usable: one store is chosen, times and bounds are positive,
and who is not on this machine needs a token. Refuses anything else, naming the flag.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pointsman.ledger.people.settings import PeopleSettings, add_flags, read_people_settings
from pointsman.process.address import Address, read_address

_FOREVER: Final = 100_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One ledger process."""

    db: Path | None = None
    """File of the SQLite store."""
    postgres: str = field(default="", repr=False)
    """Connection string or URL; a password is better in the environment (PGPASSWORD, PGPASSFILE),
    where `ps` does not show it."""
    listen: Address = Address("127.0.0.1", 9903)
    token_file: Path | None = None
    """Bearer token of who may send and ask; read anew at every change. None: loopback only."""
    keep_events_days: float = 30.0
    """Requests, feedback and sums of 5 minutes."""
    keep_rollups_days: float = 400.0
    """Sums of hours and days: a year can be compared with the one before."""
    pending_hours: float = 72.0
    """Feedback waits so long for its request, which may be in the spool of a router that is cut
    off: over a weekend."""
    max_body_mib: float = 8.0
    """Of one request with events, decoded: two frames."""
    concurrent: int = 4
    """Bodies that are read and decoded at once, and whose size may wait for the store: as objects a
    body takes some three times its size, so 100 MiB each at most."""
    waiting: int = 32
    """Requests with events that wait for that; more get 503."""
    db_max_gib: float = 0.0
    """The file takes no more events beyond that; 0: until the disk is full."""
    store_timeout_s: float = 8.0
    """One transaction; or all of a question, from its wait for a turn to its last step. Routers and
    the operator give up after 10 s, and shall have an answer before."""
    body_timeout_s: float = 30.0
    """8 MiB on a slow line."""
    drain_s: float = 20.0
    """What was begun at SIGTERM is finished; with it the default grace period of 30 s is kept."""
    upkeep_s: float = 60.0
    """Between two looks at what is too old."""
    webhook_keys: Path | None = None
    """Folder of keys that sign what webhooks are told: a file's name is a Secret's, a dot, its
    key. Read at each delivery. None: no webhook is told."""
    migrate_to: int | None = None
    """Bring the store to this schema and end; for going back to an older program."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    people: PeopleSettings = field(default_factory=PeopleSettings)
    """Who may look and decide; without a source for a browser there is no console."""

    fleet: str = ""
    """What the console shows of backends and policies: `cluster`, or a folder that local mode
    writes; empty: nothing."""
    fleet_namespace: str = ""
    fleet_kubeconfig: Path | None = None
    """None: the pod's own credentials."""
    fleet_write: bool = False
    """Whether orders to rollouts may be given: the ledger needs a right for them."""

    @property
    def max_body_bytes(self) -> int:
        """Of one request with events, decoded."""
        return int(self.max_body_mib * 1024 * 1024)

    def __post_init__(self) -> None:
        """ValueError where a value means nothing."""
        if (self.db is None) == (not self.postgres):
            raise ValueError("one of --db (a file) and --postgres (a connection string) is needed")
        if self.token_file is None and not self.listen.is_loopback:
            raise ValueError("--listen off loopback needs --token-file")
        if self.people.local_person and not self.listen.is_loopback:
            raise ValueError("--local-person lets in who is on this machine: --listen on loopback")
        for flag, value in (
            ("--keep-events-days", self.keep_events_days),
            ("--keep-rollups-days", self.keep_rollups_days),
            ("--pending-hours", self.pending_hours),
            ("--max-body-mib", self.max_body_mib),
            ("--store-timeout-seconds", self.store_timeout_s),
            ("--body-timeout-seconds", self.body_timeout_s),
            ("--drain-seconds", self.drain_s),
            ("--upkeep-seconds", self.upkeep_s),
        ):
            if not 0 < value <= _FOREVER:
                raise ValueError(f"{flag} must be over 0, and at most {_FOREVER:,.0f}")
        if not 0 <= self.db_max_gib <= _FOREVER:
            raise ValueError("--db-max-gib must not be negative")
        if (self.fleet == "cluster") != bool(self.fleet_namespace):
            raise ValueError("--console-fleet=cluster and --console-namespace need each other")
        if self.concurrent < 1 or self.waiting < 1:
            raise ValueError("--concurrent and --waiting must be at least 1")
        if self.keep_rollups_days < self.keep_events_days:
            raise ValueError("--keep-rollups-days must not be below --keep-events-days")


def parse(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Flags win over the environment; exits with 2 and a message where they mean nothing."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    try:
        return Settings(
            db=Path(given.db) if given.db else None,
            postgres=given.postgres,
            listen=read_address("--listen", given.listen, 9903),
            token_file=Path(given.token_file) if given.token_file else None,
            keep_events_days=given.keep_events_days,
            keep_rollups_days=given.keep_rollups_days,
            pending_hours=given.pending_hours,
            max_body_mib=given.max_body_mib,
            concurrent=given.concurrent,
            waiting=given.waiting,
            db_max_gib=given.db_max_gib,
            store_timeout_s=given.store_timeout_seconds,
            body_timeout_s=given.body_timeout_seconds,
            drain_s=given.drain_seconds,
            upkeep_s=given.upkeep_seconds,
            webhook_keys=Path(given.webhook_keys_dir) if given.webhook_keys_dir else None,
            migrate_to=given.migrate_to,
            log_level=given.log_level,
            people=read_people_settings(given, environment),
            fleet=given.console_fleet,
            fleet_namespace=given.console_namespace,
            fleet_kubeconfig=Path(given.console_kubeconfig) if given.console_kubeconfig else None,
            fleet_write=given.console_write == "yes",
        )
    except ValueError as error:
        parser.error(str(error))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman-ledger",
        description="Keeps what every request cost and how good its answer was.",
        epilog="Each flag can be set by POINTSMAN_LEDGER_ and its name: POINTSMAN_LEDGER_DB.",
        allow_abbrev=False,
    )

    def flag(name: str, default: object, text: str, kind: Callable[[str], object] = str) -> None:
        variable = "POINTSMAN_LEDGER_" + name.upper().replace("-", "_")
        shown = "none" if default in ("", None) else default
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=environment.get(variable, default),
            help=f"{text} Default: {shown}.",
        )

    flag("db", "", "File of the SQLite store.")
    flag("postgres", "", "Connection string of the PostgreSQL store; PGPASSWORD is heeded.")
    flag("listen", "127.0.0.1:9903", "Address for routers and questions.")
    flag("token-file", "", "File with the bearer token; needed off loopback.")
    flag("keep-events-days", 30.0, "Requests and feedback are kept so long.", float)
    flag("keep-rollups-days", 400.0, "Sums by hour and day are kept so long.", float)
    flag("pending-hours", 72.0, "Feedback waits so long for its request.", float)
    flag("max-body-mib", 8.0, "Largest request with events, decoded.", float)
    flag("concurrent", 4, "Bodies decoded at once.", int)
    flag("waiting", 32, "Requests that wait for that; more get 503.", int)
    flag("db-max-gib", 0.0, "Largest SQLite file; 0: what the disk has.", float)
    flag("store-timeout-seconds", 8.0, "Deadline of one transaction or question.", float)
    flag("body-timeout-seconds", 30.0, "Deadline of one request's body.", float)
    flag("drain-seconds", 20.0, "What was begun may take so long to end after SIGTERM.", float)
    flag("upkeep-seconds", 60.0, "Time between two looks at what is too old.", float)
    flag("webhook-keys-dir", "", "Folder of keys that sign what webhooks are told.")
    flag("migrate-to", None, "Bring the store to this schema, back too, and end.", int)
    add_flags(parser, flag)
    flag("console-fleet", "", "What the console shows: cluster, or a folder of local mode.", str)
    flag("console-namespace", "", "Namespace of the cluster's resources.", str)
    flag("console-kubeconfig", "", "File; default: the pod's own credentials.", str)
    flag("console-write", "no", "Whether operators may order rollouts there: yes or no.", _yes)
    flag("log-level", "info", "Least level that is logged: debug, info, warning, error.", _level)
    return parser


def _yes(text: str) -> str:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text


def _level(text: str) -> str:
    if text not in ("debug", "info", "warning", "error"):
        raise argparse.ArgumentTypeError(f"{text!r} is none of debug, info, warning, error")
    return text
