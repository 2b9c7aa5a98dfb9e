"""Which of a policy's backends a request may go to: by the class of its data, and approvals of now.

Guarantees that of several sources of a class the strictest wins, that what is no class is refused,
and that at the second an approval ends no further request is sent there, also one that waited.
Imported with the first request that somebody governs: others pay three reads of attributes.
"""

from typing import TYPE_CHECKING

from pointsman.api.dataclass import CLASSES, METADATA, rank_of
from pointsman.router.errors import BadRequest, Problem, Refused
from pointsman.router.live import Live
from pointsman.router.wire.literals import literals
from pointsman.routing import CompiledPolicy, CompiledTable
from pointsman.routing.compiled import CompiledRoute
from pointsman.routing.governing import (
    DATA_CLASS,
    SEARCHED_CHARS,
    Narrowed,
    NoClass,
    left_out_words,
    narrowed,
    told_rank,
)

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange


class Governors:
    """Narrowed policies of the table in force, one for each class that was asked for."""

    __slots__ = ("_live", "_made", "_table")

    def __init__(self, live: Live) -> None:
        self._live = live
        self._table: CompiledTable | None = None
        self._made: dict[tuple[int, int], tuple[CompiledPolicy, Narrowed]] = {}
        """By the identity of the policy, which it keeps alive, and the class."""

    def of(self, policy: CompiledPolicy, rank: int, now_s: float) -> CompiledPolicy:
        """The policy for requests of this class; `now_s` is Unix time."""
        if self._table is not self._live.table:
            self._table = self._live.table
            self._made.clear()
        key = (id(policy), rank)
        found = self._made.get(key)
        if found is None or not found[1].from_s <= now_s < found[1].until_s:
            found = self._made[key] = (policy, narrowed(policy, rank, now_s))
        return found[1].policy


def govern(exchange: "Exchange") -> None:
    """Leave the request what it may go to. Raises BadRequest for what is no class."""
    plane, policy, asked = exchange.plane, exchange.policy, exchange.asked
    try:
        exchange.data_rank = rank = told_rank(
            policy.governance,
            key=exchange.caller.data_rank,
            header=exchange.request.head.data_class,
            metadata=asked.metadata,
            texts=lambda: _searched(exchange),
        )
    except NoClass as error:
        param = f"metadata.{METADATA}" if "metadata." in str(error) else None
        raise BadRequest(f"The {error}.", code="invalid_data_class", param=param) from None
    if plane.governors is None:
        plane.governors = Governors(plane.live)
    exchange.policy = plane.governors.of(policy, rank, plane.wall())


def _searched(exchange: "Exchange") -> list[str] | None:
    """The texts, tools, arguments of calls and what else a model gets; None: not all is read."""
    if exchange.asked.opaque():
        return None
    return literals(exchange.request.body, SEARCHED_CHARS)


def none_left(exchange: "Exchange", route: CompiledRoute) -> Problem:
    """Why a rule whose every backend is left out refuses a request."""
    rule, out = route.route.name, route.route.left_out
    message = f"Rule {rule} has no backend that the request may go to: {left_out_words(out)}."
    if DATA_CLASS in out.values():
        told = CLASSES[data_rank_of(exchange, route)]
        message += f" Its class of data is {told}."
        return BadRequest(message, status=403, code="data_class_not_allowed")
    return Refused(message, code="no_vetted_backend", retry_after_s=5)


def data_rank_of(exchange: "Exchange", route: CompiledRoute) -> int:
    """The class of a request that takes this route."""
    return max(exchange.data_rank, rank_of(route.route.data_class) or 0)
