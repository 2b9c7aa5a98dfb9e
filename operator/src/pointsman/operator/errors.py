"""What a failed step means for the next one; cluster/client.py translates foreign exceptions.

ReconcileError
├── Waiting   it passes by itself: conflict, timeout, 429, 5xx; tried again soon
│   ├── Conflict   someone else wrote first: read again
│   └── Gone       the object is not there (any more)
├── Stalled   the API server refuses and will again: 403, 422; tried again slowly, a person reads
└── Broken    this process may not go on: lost Lease, dead watcher; it exits
"""


class ReconcileError(Exception):
    """A step failed; `reason` is one CamelCase word for logs and metrics."""

    reason = "Failed"


class Waiting(ReconcileError):
    """Passes by itself."""

    reason = "Waiting"


class Conflict(Waiting):
    """The object changed since it was read, or exists already."""

    reason = "Conflict"


class Gone(Waiting):
    """The object does not exist."""

    reason = "Gone"


class Stalled(ReconcileError):
    """Refused for what it is; trying harder does not help."""

    reason = "Stalled"


class Broken(ReconcileError):
    """The process has to end."""

    reason = "Broken"


def one_of(group: BaseExceptionGroup[ReconcileError]) -> ReconcileError:
    """One error of a group, to be told for all."""
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    assert isinstance(one, ReconcileError)
    return one
