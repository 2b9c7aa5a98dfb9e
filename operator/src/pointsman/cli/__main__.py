"""The `pointsman` command. Exit status: 0 done, 1 what was asked for is not so, 2 wrong usage."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman", description="Route each AI request to the model that fits."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run files on this machine, without a cluster")
    up.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or folder of YAML")
    up.add_argument("--host", default="127.0.0.1", help="address to listen on")
    up.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes a free one")
    up.add_argument(
        "--time-scale", type=float, default=1.0, metavar="N",
        help="simulated models run N times faster",
    )  # fmt: skip

    check = commands.add_parser("check", help="validate files offline; exit 1 if any is wrong")
    check.add_argument("paths", nargs="+", metavar="PATH", help="file or folder, - for stdin")

    explain = commands.add_parser("explain", help="which backend a prompt goes to, and why")
    explain.add_argument(
        "-f", "--filename", action="append", required=True, metavar="PATH", dest="paths"
    )
    explain.add_argument("--prompt", required=True, help="text of the user; - reads stdin")
    explain.add_argument("--model", help="model that the caller names; default: the only policy's")
    explain.add_argument("--system", default="", help="text of the system message")
    explain.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    explain.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE")
    explain.add_argument("--max-tokens", type=int, default=0, help="length of the answer asked for")
    explain.add_argument("-o", "--output", choices=("text", "json"), default="text")

    demo = commands.add_parser("demo", help="a support desk's day on this machine, and a table")
    demo.add_argument("--once", action="store_true", help="end after the table")
    demo.add_argument("--host", default="127.0.0.1")
    demo.add_argument("--port", type=int, help="default: 8080, or a free one if that is in use")
    demo.add_argument("--requests", type=int, default=360, help="requests of the day")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; each is imported when it is asked for, so that all start fast."""
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
                options.paths, host=options.host, port=options.port, time_scale=options.time_scale
            )
        case _:
            from pointsman.cli.demo.run import demo  # noqa: PLC0415

            return demo(
                once=options.once, host=options.host, port=options.port, count=options.requests
            )


if __name__ == "__main__":
    sys.exit(main())
