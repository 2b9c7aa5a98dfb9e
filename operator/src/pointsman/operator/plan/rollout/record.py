"""What is stored of the rollouts, in the object of the manifest that they belong to.

One write has both: whatever is in force can be told from what is stored, by any operator, and a
step is never taken twice. What changes with each look (counts, findings) is not stored.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.operator.plan.rollout.shadowing import Shadowed
from pointsman.operator.plan.rollout.state import Phase, Rollout

MOST: Final = 32
"""Rollouts of one release that go on at once; others wait for their turn."""
MOST_KEPT: Final = 256
"""Rollouts that go on or have a number in the queue; others come by their names."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy's rollout: the one that goes on, or how the last one ended."""

    uid: str
    """The policy's: another one of that name begins anew."""
    rollout: Rollout
    heard: dict[str, str] = {}
    """Orders on the policy when it began: they were meant for an earlier one."""


_decoder: Final = msgspec.json.Decoder(dict[str, Record])


def essence(rollout: Rollout) -> Rollout:
    """What is kept of a rollout: the rest can be looked at again."""
    message = rollout.message if rollout.ended else ""
    findings = rollout.findings if rollout.phase is Phase.ABORTED else ()
    earlier = () if rollout.ended else rollout.earlier
    counts = rollout.in_shadow and not rollout.ended
    return msgspec.structs.replace(
        rollout,
        message=message,
        findings=findings,
        earlier=earlier,
        step_began_s=None,
        short_since_s=None,
        probing_since_s=None,
        shadowed=Shadowed() if counts else rollout.shadowed,
    )


def dump_rollouts(records: Mapping[str, Record]) -> bytes:
    """JSON, by policy; equal records have equal bytes."""
    return msgspec.json.encode(records, order="deterministic")


def load_rollouts(data: bytes) -> dict[str, Record]:
    """Undo `dump_rollouts`; what cannot be read counts as none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
