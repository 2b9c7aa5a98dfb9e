"""Flags as kubectl's users know them; imports nothing heavy, so that every command starts fast."""

import argparse
from pathlib import Path
from typing import Final

from pointsman.api.quantity import parse_duration

FORMS: Final = ("wide", "json", "yaml", "name")


def add_cluster(parser: argparse.ArgumentParser, *, all_namespaces: bool = True) -> None:
    """Which cluster, and what of it."""
    parser.add_argument("-n", "--namespace", help="default: kubectl's")
    if all_namespaces:
        parser.add_argument(
            "-A", "--all-namespaces", action="store_true", help="of every namespace"
        )
    parser.add_argument("--context", help="of the kubeconfig; default: kubectl's")
    parser.add_argument("--kubeconfig", help="default: kubectl's")


def add_output(parser: argparse.ArgumentParser, forms: tuple[str, ...] = FORMS) -> None:
    """In which form, and whether again and again."""
    parser.add_argument(
        "-o", "--output", choices=forms, help=f"{', '.join(forms)}; default: a table"
    )
    parser.add_argument("-w", "--watch", action="store_true", help="print again what changes")
    parser.add_argument(
        "--every", type=seconds, default=2.0, metavar="TIME", help="with -w: look so often (2s)"
    )


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """The ledger's API for people."""
    parser.add_argument(
        "--ledger", metavar="URL",
        help="the ledger; default: $POINTSMAN_LEDGER, else http://127.0.0.1:9903",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="file with your own token; default: $POINTSMAN_TOKEN_FILE",
    )  # fmt: skip


def seconds(text: str) -> float:
    """A duration such as 2s."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not found:
        raise argparse.ArgumentTypeError("it has to be longer than 0s")
    return found


def cluster_flags(options: argparse.Namespace) -> list[str]:
    """Of every call of kubectl."""
    flags = (("--context", options.context), ("--kubeconfig", options.kubeconfig))
    found = [word for flag, value in flags if value for word in (flag, value)]
    if getattr(options, "all_namespaces", False):
        return found
    return [*found, *(["--namespace", options.namespace] if options.namespace else [])]
