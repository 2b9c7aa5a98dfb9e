"""What `pointsman evaluate` asks of a suite's `spec.ledger`: from a ledger, and by a file of ids.

The file has no text: it makes the next start ask the same. The operator's ConfigMap of a draw holds
the same lines.
"""

import argparse
import time
from pathlib import Path

import msgspec

from pointsman.api.v1alpha1 import EvaluationSuite, LedgerDraw
from pointsman.cli.writing import write_whole
from pointsman.evaluation.suite.content import Drawing
from pointsman.evaluation.suite.drawn import (
    BadDraw,
    Remembered,
    asked,
    drawing,
    dump,
    left_of,
    load,
    of,
    remembered,
)
from pointsman.events.draws import MAX_TOLD_BYTES, Asked, Told
from pointsman.events.ship import Failed, Target, post

TIMEOUT_S = 60.0


class NotDrawn(Exception):
    """The text says why."""


def drawn(options: argparse.Namespace, suite: EvaluationSuite) -> Drawing | None:
    """None for a suite that draws nothing. Raises NotDrawn."""
    spec, name = suite.spec.ledger, suite.metadata.name
    if spec is None:
        return None
    if options.ledger is None:
        raise NotDrawn("spec.ledger: say where the ledger is, with --ledger")
    path = options.draw or Path(f"evaluate-{name}.draw.json")
    known = _known(path, spec)
    told = _ask(options, asked(spec, known.pins if known else ()))
    now_ms = int(time.time() * 1000)
    found = left_of(told.prompts, now_ms)
    if len(found) < spec.minimum:
        raise NotDrawn(_too_few(path, known, spec, len(found), told.candidates))
    if known is None:
        known = remembered(told, spec, "", now_ms)
        write_whole(path, f"{dump(known)}\n".encode())
    return drawing(known, found, spec)


def _known(path: Path, spec: LedgerDraw) -> Remembered | None:
    try:
        known = load(path.read_text())
    except FileNotFoundError:
        return None
    except (BadDraw, OSError, UnicodeDecodeError) as error:
        raise NotDrawn(f"{path}: no draw: {error}") from None
    if known.of != of(spec):
        raise NotDrawn(f"{path} is a draw of another spec.ledger: remove it, to draw anew")
    return known


def _ask(options: argparse.Namespace, question: Asked) -> Told:
    where = options.ledger
    try:
        target = Target(url=where, token_file=options.ledger_token_file, timeout_s=TIMEOUT_S)
        status, body = post(target, "/v1/draws", msgspec.json.encode(question), MAX_TOLD_BYTES)
    except (Failed, ValueError) as error:
        raise NotDrawn(f"--ledger {where}: {error}") from None
    if status != 200:
        raise NotDrawn(f"--ledger {where} answers {status}")
    try:
        return msgspec.json.decode(body, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotDrawn(f"--ledger {where}: its answer is no draw") from None


def _too_few(
    path: Path, known: Remembered | None, spec: LedgerDraw, found: int, candidates: int
) -> str:
    policy = spec.policy_ref.name
    if known is not None:
        return (
            f"of {len(known.pins)} requests in {path} {found} are left, and minimum is "
            f"{spec.minimum}: remove it, to draw anew"
        )
    return (
        f"{found} requests of RoutingPolicy {policy} can be drawn (of {candidates} with such "
        f"feedback and a text), and minimum is {spec.minimum}: does its capture keep texts?"
    )
