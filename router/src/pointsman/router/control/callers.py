"""Who may call, out of Secrets: pure judgment over what was read, and the feed that applies it.

Guarantees that a bad entry is refused alone and said (one of a team limits nobody), that a hash
which two callers have lets in neither, and that Secrets which cannot be read change nothing.
Refuses Secrets without the label. No text here holds a key or a hash.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from pointsman.api.callers import (
    EVERY_POLICY,
    InvalidEntry,
    Limits,
    TeamEntry,
    is_name,
    parse_entry,
)
from pointsman.api.dataclass import RANKS
from pointsman.api.names import LABEL_CALLERS
from pointsman.router.callers import Caller, Callers, Team, callers_of
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Known, Store
from pointsman.router.live import Live

_log = logging.getLogger(__name__)
_SHOWN = 100
"""Problems and callers that the admin port shows; a metric counts all."""


class Reason(StrEnum):
    """Why an entry or a Secret lets nobody in; the metric's label as well."""

    MALFORMED = "Malformed"
    DUPLICATE_KEY = "DuplicateKey"
    DUPLICATE_NAME = "DuplicateName"
    DUPLICATE_TEAM = "DuplicateTeam"
    NOT_LABELED = "NotLabeled"
    NOT_FOUND = "NotFound"
    UNREAD = "Unread"


@dataclass(frozen=True, slots=True)
class Problem:
    """`subject` is a Secret, or `<Secret>/<entry>`."""

    subject: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class CallerSecret:
    """One Secret that exists: what its entries say, and what is wrong with others."""

    callers: tuple[Caller, ...]
    problems: tuple[Problem, ...] = ()
    teams: tuple[Team, ...] = ()


def read_secret(name: str, labels: Mapping[str, str], data: Mapping[str, bytes]) -> CallerSecret:
    """From the Secret's labels and decoded data."""
    if labels.get(LABEL_CALLERS) != "true":
        text = f"it lacks the label {LABEL_CALLERS}=true"
        return CallerSecret((), (Problem(name, Reason.NOT_LABELED, text),))
    callers: list[Caller] = []
    teams: dict[str, Team] = {}
    problems: list[Problem] = []
    for entry, value in sorted(data.items()):
        if not is_name(entry):  # the API server takes no such name, a file may hold any
            problems.append(Problem(name, Reason.MALFORMED, "the name of an entry is no name"))
            continue
        try:
            parsed = parse_entry(value)
        except InvalidEntry as error:
            problems.append(Problem(f"{name}/{entry}", Reason.MALFORMED, str(error)))
            continue
        if isinstance(parsed, TeamEntry):
            team = Team(parsed.team, parsed.limits)
            if teams.setdefault(team.name, team) is not team:
                text = "another entry of this Secret has limits for its team, which count"
                problems.append(Problem(f"{name}/{entry}", Reason.DUPLICATE_TEAM, text))
            continue
        every = EVERY_POLICY in parsed.policies
        callers.append(
            Caller(
                name=entry,
                team=parsed.team,
                policies=None if every else frozenset(parsed.policies),
                digests=parsed.digests,
                expires_at_s=parsed.expires_at.timestamp() if parsed.expires_at else inf,
                limits=parsed.limits,
                data_rank=RANKS[parsed.data_class],
            )
        )
    return CallerSecret(tuple(callers), tuple(problems), tuple(teams.values()))


def combine(
    names: Sequence[str],
    secrets: Mapping[str, CallerSecret | None],
    unread: Mapping[str, str] | None = None,
) -> tuple[Callers, tuple[Problem, ...]]:
    """
    Everybody who may call, and all problems.

    `secrets` maps name to what was read, None where there is no such Secret; one that was never
    read is absent. `unread` says why the latest reading failed; an earlier one stays valid.
    """
    problems: list[Problem] = []
    named: dict[str, tuple[str, Caller]] = {}
    teams: dict[str, tuple[str, Team]] = {}
    for name in names:
        if why := (unread or {}).get(name):
            problems.append(Problem(name, Reason.UNREAD, f"it could not be read: {why}"))
        if name not in secrets:
            continue
        secret = secrets[name]
        if secret is None:
            problems.append(Problem(name, Reason.NOT_FOUND, "there is no such Secret"))
            continue
        problems += secret.problems
        for caller in secret.callers:
            first, _ = named.setdefault(caller.name, (name, caller))
            if first != name:
                text = f"Secret {first} has a caller of that name, which counts"
                problem = Problem(f"{name}/{caller.name}", Reason.DUPLICATE_NAME, text)
                problems.append(problem)
        for team in secret.teams:
            first, _ = teams.setdefault(team.name, (name, team))
            if first != name:
                text = f"Secret {first} has limits for team {team.name}, which count"
                problems.append(Problem(name, Reason.DUPLICATE_TEAM, text))
    limits = {team.name: team.limits for _, team in teams.values()}
    joined = ((name, _with_team(caller, limits)) for name, caller in named.values())
    everyone, shared = _without_shared(tuple(joined))
    complete = all(name in secrets for name in names)
    return callers_of(everyone, complete=complete), (*problems, *shared)


def _with_team(caller: Caller, limits: Mapping[str, Limits]) -> Caller:
    found = limits.get(caller.team)
    return caller if found is None else replace(caller, team_limits=found)


def _without_shared(
    found: tuple[tuple[str, Caller], ...],
) -> tuple[list[Caller], list[Problem]]:
    """Nobody gets in by a key that does not tell who it is."""
    count = Counter(digest for _, caller in found for digest in caller.digests)
    owners = {d: sorted(c.name for _, c in found if d in c.digests) for d in count if count[d] > 1}
    callers: list[Caller] = []
    problems: list[Problem] = []
    for name, caller in found:
        mine = caller.digests & owners.keys()
        for digest in sorted(mine):
            others = ", ".join(other for other in owners[digest] if other != caller.name)
            text = f"a key of it is a key of {others} as well, and counts for nobody"
            problems.append(Problem(f"{name}/{caller.name}", Reason.DUPLICATE_KEY, text))
        if caller.digests - mine:
            callers.append(replace(caller, digests=caller.digests - mine))
    return callers, problems


class CallerFeed:
    """Tells `live.callers` who may call; all calls are made on the event loop."""

    def __init__(
        self,
        live: Live,
        metrics: ControlMetrics,
        *,
        names: Sequence[str],
        store: Store | None = None,
    ) -> None:
        self._live = live
        self._metrics = metrics
        self._store = store
        self._secrets: Mapping[str, CallerSecret | None] = {}
        self._unread: Mapping[str, str] = {}
        self.names = tuple(names)
        self.problems: tuple[Problem, ...] = ()

    def restore(self) -> bool:
        """Let in whom an earlier process knew; False if it knew nothing."""
        stored = self._store.load_callers() if self._store else None
        if stored is None:
            return False
        known = {
            name: CallerSecret(stored[name].callers, teams=stored[name].teams)
            for name in self.names
            if name in stored
        }
        self._put_in_force(known, {})
        return True

    @property
    def known(self) -> Mapping[str, CallerSecret | None]:
        """What `read` was told last, or what was stored."""
        return self._secrets

    def read(
        self, secrets: Mapping[str, CallerSecret | None], unread: Mapping[str, str]
    ) -> tuple[Problem, ...]:
        """Replace all that is known of the Secrets; see `combine`."""
        self._put_in_force(secrets, unread)
        if self._store and secrets:
            self._store.save_callers(
                {n: Known(s.callers, s.teams) if s else Known() for n, s in secrets.items()}
            )
        return self.problems

    def shown(self) -> dict[str, object]:
        """For /readyz."""
        callers = self._live.callers
        return {
            "mode": "Keys",
            "known": len(callers.everyone),
            "complete": callers.complete,
            "problems": {p.subject: f"{p.reason}: {p.text}" for p in self.problems[:_SHOWN]},
        }

    def _put_in_force(
        self, secrets: Mapping[str, CallerSecret | None], unread: Mapping[str, str]
    ) -> None:
        # In order as well: it decides who keeps a name.
        changed = list(secrets.items()) != list(self._secrets.items())
        if not changed and unread == self._unread:
            return
        self._secrets, self._unread = dict(secrets), dict(unread)
        callers, problems = combine(self.names, self._secrets, unread)
        if changed:
            self._live.callers = callers
            self._metrics.callers.set(len(callers.everyone))
            _log.info("callers-in-force", extra={"callers": len(callers.everyone)})
        if problems != self.problems:
            self.problems = problems
            counts = Counter(problem.reason for problem in problems)
            for reason in Reason:
                self._metrics.caller_problems.labels(reason).set(counts[reason])
            _log.warning("callers-refused", extra={"problems": _texts(problems)})


def _texts(problems: Iterable[Problem]) -> list[str]:
    texts = [f"{problem.subject}: {problem.text}" for problem in problems]
    return texts[:_SHOWN]
