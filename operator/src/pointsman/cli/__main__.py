"""The `pointsman` command. Exit status: 0 done, 1 what was asked for is not so, 2 wrong usage."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman.cli.arguments import Parser, Version, count, factor, port, some_path, watchable
from pointsman.cli.key.arguments import add_parser as add_key
from pointsman.cli.report.arguments import add_parser as add_report
from pointsman.cli.rollout.arguments import add_parser as add_rollout


def _parser() -> Parser:
    parser = Parser(prog="pointsman", description="Route each AI request to the model that fits.")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run files on this machine, without a cluster")
    up.add_argument(
        "paths", nargs="+", type=watchable, metavar="PATH", help="file or folder of YAML"
    )
    up.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    up.add_argument(
        "--port", type=port, default=8080,
        help="port to listen on (%(default)s); 0 takes a free one",
    )  # fmt: skip
    up.add_argument("--open", action="store_true", help="let everybody call, from anywhere")
    up.add_argument(
        "--time-scale", type=factor, default=1.0, metavar="N",
        help="simulated models run N times faster",
    )  # fmt: skip

    up.add_argument(
        "--ledger", type=Path, metavar="FILE",
        help="SQLite file that keeps what happened; default: forgotten at the end",
    )  # fmt: skip

    check = commands.add_parser("check", help="validate files offline; exit 1 if any is wrong")
    check.add_argument(
        "paths", nargs="+", type=some_path, metavar="PATH", help="file or folder, - for stdin"
    )

    explain = commands.add_parser("explain", help="which backend a prompt goes to, and why")
    explain.add_argument(
        "-f", "--filename", action="append", required=True, type=some_path,
        metavar="PATH", dest="paths", help="file or folder of YAML; may be repeated",
    )  # fmt: skip
    explain.add_argument("--prompt", required=True, help="text of the user; - reads stdin")
    explain.add_argument("--model", help="model that the caller names; default: the only policy's")
    explain.add_argument("--system", default="", help="text of the system message")
    explain.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="a header of the request; may be repeated",
    )  # fmt: skip
    explain.add_argument(
        "--metadata", action="append", default=[], metavar="KEY=VALUE",
        help="an entry of the request's metadata; may be repeated",
    )  # fmt: skip
    explain.add_argument(
        "--max-tokens", type=count, default=0, help="length of the answer asked for"
    )
    explain.add_argument(
        "--ledger", metavar="URL", help="what predictors have learned by now is learned from there"
    )
    explain.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the ledger's bearer token"
    )
    explain.add_argument("--db", type=Path, metavar="FILE", help="its SQLite file, read past it")
    explain.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="default: text"
    )

    add_key(commands)
    add_report(commands)
    add_rollout(commands)

    demo = commands.add_parser("demo", help="a support desk's day on this machine, and a table")
    demo.add_argument("--once", action="store_true", help="end after the table")
    demo.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    demo.add_argument("--open", action="store_true", help="let everybody call, from anywhere")
    demo.add_argument("--port", type=port, help="default: 8080, or a free one if that is in use")
    demo.add_argument(
        "--requests", type=count, default=360, help="requests of the day (%(default)s)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 130 if Ctrl-C ended it before it had anything to end."""
    try:
        status = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`: nobody reads any more; Python would say so at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _run(argv: Sequence[str] | None) -> int:
    """Each command is imported when it is asked for, so that all start fast."""
    options = _parser().parse_args(argv)
    match options.command:
        case "check":
            from pointsman.cli.check import check  # noqa: PLC0415

            return check(options.paths)
        case "explain":
            from pointsman.cli.explain import explain  # noqa: PLC0415

            return explain(options)
        case "up":
            from pointsman.cli.up import up  # noqa: PLC0415

            return up(
                options.paths,
                host=options.host,
                port=options.port,
                time_scale=options.time_scale,
                chosen_open=options.open,
                ledger=options.ledger,
            )
        case "key":
            from pointsman.cli.key.commands import key  # noqa: PLC0415

            return key(options)
        case "report" | "rollout":
            return _elsewhere(options)
        case _:
            from pointsman.cli.demo.run import demo  # noqa: PLC0415

            return demo(
                once=options.once,
                host=options.host,
                port=options.port,
                count=options.requests,
                chosen_open=options.open,
            )


def _elsewhere(options: argparse.Namespace) -> int:
    """Commands that ask what runs somewhere else."""
    if options.command == "report":
        from pointsman.cli.report.commands import report  # noqa: PLC0415

        return report(options)
    from pointsman.cli.rollout.commands import rollout  # noqa: PLC0415

    return rollout(options)


if __name__ == "__main__":
    sys.exit(main())
