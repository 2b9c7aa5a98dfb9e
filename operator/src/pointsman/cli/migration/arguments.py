"""The arguments of `pointsman import`; imports little, so that every command starts fast."""

import argparse
from pathlib import Path

from pointsman.cli.arguments import some_path


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman import`."""
    parser = commands.add_parser("import", help="another gateway's configuration as our resources")
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    litellm = sources.add_parser(
        "litellm",
        help="a config.yaml of LiteLLM's proxy",
        description="A config.yaml of LiteLLM's proxy as ModelBackends and RoutingPolicies, with "
        "a comment at the place of everything that has no counterpart.",
    )
    litellm.add_argument(
        "config", type=some_path, metavar="CONFIG.yaml", help="the file; - for stdin"
    )
    litellm.add_argument(
        "-o", "--output-dir", type=Path, metavar="DIR",
        help="write backends.yaml, policies.yaml and secrets.yaml there; default: all of it on "
        "stdout",
    )  # fmt: skip
    litellm.add_argument("--force", action="store_true", help="with -o: replace what is there")
    litellm.add_argument(
        "--strict", action="store_true",
        help="exit 1 if a key is unknown, or a model or a value cannot be imported",
    )  # fmt: skip
    litellm.add_argument(
        "--check", nargs="?", const="", metavar="TRAFFIC.jsonl",
        help="write nothing; compare who would answer: requests of a file, or without one a "
        "plain, a tagged, a tool-using and a too long request of each model; exit 1 on a "
        "difference that no comment explains",
    )  # fmt: skip
    litellm.add_argument(
        "-f", "--filename", action="append", default=[], type=some_path, metavar="PATH",
        dest="paths", help="with --check: the files as you edited them, in place of fresh ones",
    )  # fmt: skip
