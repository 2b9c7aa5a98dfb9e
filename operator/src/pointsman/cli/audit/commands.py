"""`pointsman audit`: reads requests or a ledger, adds up, prints, and proposes a policy."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping

from pointsman.api.table import Backend
from pointsman.cli.audit.figures import Figures
from pointsman.cli.audit.proposal import propose
from pointsman.cli.audit.tables import as_json, csv_text, table
from pointsman.cli.ledger import NoLedger, opened, window
from pointsman.cli.policies import Unusable, backends_of
from pointsman.cli.traffic.money import Assumed, BadFlag, Prices, read_assumed, read_prices
from pointsman.cli.traffic.reading import Traffic
from pointsman.cli.traffic.seen import Seen
from pointsman.cli.writing import write_whole
from pointsman.ledger.asking import BadQuestion


def audit(options: argparse.Namespace) -> int:
    """0 after printing; 1 with a line that says why not; 2 for flags that mean nothing."""
    try:
        known = backends_of(options.paths) if options.paths else {}
        assumed, prices = _flags(options, known)
    except (BadFlag, BadQuestion) as error:
        print(f"pointsman audit: {error}", file=sys.stderr)
        return 2
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    figures = Figures(assumed, prices, options.show_examples)
    traffic = Traffic()
    try:
        for seen in _seen(options, traffic):
            figures.add(seen)
    except NoLedger as error:
        print(f"pointsman audit: {error}", file=sys.stderr)
        return 1
    for line in traffic.told():
        print(line, file=sys.stderr)
    if not traffic.requests:
        print(f"pointsman audit: no request in {_names(options)}", file=sys.stderr)
        return 1
    policy = propose(figures, known, prices)
    _print(options, figures, traffic, policy, assumed)
    return _propose(options, policy)


def _flags(options: argparse.Namespace, known: Mapping[str, Backend]) -> tuple[Assumed, Prices]:
    """Raises BadFlag and BadQuestion."""
    if bool(options.files) == bool(options.ledger):
        raise BadFlag("give files of requests, or --ledger: one of the two")
    window(options.since, options.until)
    return read_assumed(options.output_tokens), read_prices(options.price, known, time.time())


def _seen(options: argparse.Namespace, traffic: Traffic) -> Iterator[Seen]:
    if options.files:
        yield from traffic.of_files(options.files, excerpts=bool(options.show_examples))
        return
    with opened(options.ledger, options.token_file) as ledger:
        names = options.policy or None
        yield from traffic.of_ledger(ledger, options.since, options.until, names)


def _names(options: argparse.Namespace) -> str:
    return ", ".join(options.files) or f"{options.ledger} since {options.since}"


def _print(
    options: argparse.Namespace, figures: Figures, traffic: Traffic, policy: str, assumed: Assumed
) -> None:
    if options.output == "json":
        found = as_json(figures, traffic.bad) | {"policy": policy}
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif options.output == "csv":
        print(csv_text(figures), end="")
    else:
        bad = f", {traffic.bad:,} bad lines left out" if traffic.bad else ""
        about = f"{traffic.requests:,} requests of {_names(options)}{bad}"
        print(table(figures, about, assumed), end="")


def _propose(options: argparse.Namespace, policy: str) -> int:
    if options.policy_out is None:
        if options.output == "table":
            print(f"\n{policy}", end="")
        return 0
    try:
        write_whole(options.policy_out, policy.encode())
    except OSError as error:
        print(f"pointsman audit: --policy-out: {error}", file=sys.stderr)
        return 1
    if options.output == "table":
        print(f"\nA first policy is in {options.policy_out}.")
    return 0
