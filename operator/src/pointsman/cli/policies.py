"""Policies of files, compiled by the operator's own plan, for commands that decide offline."""

from collections.abc import Callable, Mapping, Sequence

from pointsman.api.manifests import Loaded, load
from pointsman.api.table import Backend, decode_blob
from pointsman.local.desired import NAMESPACE, desire
from pointsman.local.session import errors
from pointsman.operator.plan.blobs import compile_backend
from pointsman.operator.plan.learning import Wish
from pointsman.operator.plan.predicting import Learned
from pointsman.routing import CompiledTable, compile_policy, compile_table

Learn = Callable[[Mapping[str, Wish]], Mapping[str, Learned]]
"""What predictors have learned, by policy."""


class Unusable(Exception):
    """The files or the flags do not lead to a decision; the text says why."""


def loaded(paths: Sequence[str]) -> Loaded:
    """What is in files and folders. Raises Unusable if any of it is wrong."""
    found = load(paths)
    if wrong := errors(found):
        raise Unusable("\n".join(wrong))
    return found


def compiled(paths: Sequence[str], learn: Learn | None = None) -> CompiledTable:
    """
    All policies of files and folders, as a router gets them. Raises Unusable.

    `learn` says what their predictors have learned; without it they know what is published.
    """
    return compiled_of(loaded(paths), learn)


def compiled_of(found: Loaded, learn: Learn | None = None) -> CompiledTable:
    """The same of what is read already. Raises Unusable."""
    if not found.policies:
        raise Unusable("no RoutingPolicy in these files")
    try:
        desired = desire(found, accepted={}, previous=None, time_scale=1, run_tests=False)
        if learn is not None and (known := learn(desired.wishes)):
            desired = desire(
                found, accepted={}, previous=None, time_scale=1, learned=known, run_tests=False
            )
    except ValueError as error:
        raise Unusable(str(error)) from None
    plan = desired.table
    refused = [
        f"{name}: {verdict.accepted.message}"
        for name, verdict in plan.verdicts.items()
        if not verdict.accepted.status
    ]
    if refused:
        raise Unusable("\n".join(refused))
    return compile_table(
        compile_policy(decode_blob(data), name) for name, data in plan.blobs.items()
    )


def backends_of(paths: Sequence[str]) -> Mapping[str, Backend]:
    """All backends of files and folders, by name. Raises Unusable."""
    found = loaded(paths)
    return {
        item.value.metadata.name: compile_backend(NAMESPACE, item.value) for item in found.backends
    }
