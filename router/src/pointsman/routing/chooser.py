"""A policy's predictor as the request path wants it: weights compiled, and a pool for each route.

Compiled when a table switches. A blob whose weights cannot be read is refused whole with
TableError, so that the one in force stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.analysis.predictor import InvalidWeights, Predictor, decode
from pointsman.api.predicting import Chooser, Trait
from pointsman.api.table import Backend, PolicyBlob, Route, TableError

_UNSEEN = Trait()


@dataclass(frozen=True, slots=True)
class Pool:
    """Among whom a route's requests are chosen for."""

    backends: tuple[Backend, ...]
    traits: tuple[Trait, ...]
    """Of each."""
    comparable: bool
    """Whether all prices are in one currency; if not, cost says nothing."""


@dataclass(frozen=True, slots=True)
class CompiledChooser:
    """A policy's predictor, ready."""

    chooser: Chooser
    predictor: Predictor
    pools: Mapping[str, Pool]
    """By the name of a route; one that is not in it is bypassed."""


def compile_chooser(blob: PolicyBlob) -> CompiledChooser | None:
    """None where the policy has no predictor. Raises TableError."""
    chooser = blob.predictor
    if chooser is None:
        return None
    try:
        predictor = Predictor(decode(bytes(chooser.weights)))
    except InvalidWeights as error:
        raise TableError(f"policy {blob.name}: the predictor's weights: {error}") from None
    for name in chooser.candidates:
        if name not in blob.backends:
            raise TableError(f"policy {blob.name}: candidate {name} is not in the policy's blob")
    pools = {
        route.name: _pool(blob, chooser, route)
        for route in blob.routes
        if route.name in chooser.routes
    }
    return CompiledChooser(chooser, predictor, pools)


def may_be_chosen(compiled: CompiledChooser | None, route: str) -> tuple[Backend, ...]:
    """Among whom a route's requests really are chosen for: nobody in mode Observe."""
    if compiled is None or compiled.chooser.mode != "Apply":
        return ()
    pool = compiled.pools.get(route)
    return pool.backends if pool else ()


def _pool(blob: PolicyBlob, chooser: Chooser, route: Route) -> Pool:
    """Of a rule: its own backends that are candidates. Of the default: all candidates."""
    names = chooser.candidates
    if route.match is not None:
        own = {target.backend for target in route.targets if target.weight > 0}
        own.update(route.fallback.chain if route.fallback else ())
        names = tuple(name for name in names if name in own)
    found = tuple(blob.backends[name] for name in names)
    return Pool(
        backends=found,
        traits=tuple(chooser.traits.get(name, _UNSEEN) for name in names),
        comparable=len({backend.currency for backend in found if backend.prices}) <= 1,
    )
