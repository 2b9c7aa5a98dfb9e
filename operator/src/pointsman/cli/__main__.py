"""The `pointsman` command. Exit status: 0 done, 1 what was asked for is not so, 2 wrong usage."""

import importlib
import keyword
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pointsman.cli.adopt.arguments import add_parser as add_adopt
from pointsman.cli.approve.arguments import add_parser as add_approve
from pointsman.cli.arguments import Parser, Version, count, factor, port, some_path, watchable
from pointsman.cli.audit.arguments import add_parser as add_audit
from pointsman.cli.auditlog.arguments import NAME as AUDIT_LOG
from pointsman.cli.auditlog.arguments import add_parser as add_audit_log
from pointsman.cli.completion.arguments import add_parser as add_completion
from pointsman.cli.evaluate.arguments import add_parser as add_evaluate
from pointsman.cli.explaining import add_parser as add_explain
from pointsman.cli.key.arguments import add_parser as add_key
from pointsman.cli.migration.arguments import add_parser as add_import
from pointsman.cli.report.arguments import add_parser as add_report
from pointsman.cli.reviews.arguments import add_parser as add_reviews
from pointsman.cli.rollout.arguments import add_parser as add_rollout
from pointsman.cli.simulate.arguments import add_parser as add_simulate
from pointsman.cli.status.arguments import add_parser as add_status
from pointsman.cli.top.arguments import add_parser as add_top
from pointsman.cli.unheard import unheard
from pointsman.cli.vet.arguments import add_parser as add_vet
from pointsman.process.starting import importing

_WITH_OPTIONS = {
    "adopt": "pointsman.cli.adopt.commands",
    "approve": "pointsman.cli.approve.commands",
    "audit": "pointsman.cli.audit.commands",
    AUDIT_LOG: "pointsman.cli.auditlog.commands",
    "completion": "pointsman.cli.completion.commands",
    "evaluate": "pointsman.cli.evaluate.commands",
    "explain": "pointsman.cli.explain",
    "import": "pointsman.cli.migration.commands",
    "key": "pointsman.cli.key.commands",
    "report": "pointsman.cli.report.commands",
    "reviews": "pointsman.cli.reviews.commands",
    "rollout": "pointsman.cli.rollout.commands",
    "simulate": "pointsman.cli.simulate.commands",
    "status": "pointsman.cli.status.commands",
    "top": "pointsman.cli.top.commands",
    "vet": "pointsman.cli.vet.commands",
}
"""Where a command's function of the same name is, which takes what was parsed; `import`, a word of
Python's own, is `import_` there."""


@cache
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
    up.add_argument(
        "--otlp-endpoint", metavar="URL",
        help="OpenTelemetry collector (OTLP over HTTP) that gets traces and metrics",
    )  # fmt: skip

    check = commands.add_parser("check", help="validate files offline; exit 1 if any is wrong")
    check.add_argument(
        "paths", nargs="+", type=some_path, metavar="PATH", help="file or folder, - for stdin"
    )

    add_adopt(commands)
    add_approve(commands)
    add_explain(commands)
    add_audit(commands)
    add_audit_log(commands)
    add_completion(commands)
    add_evaluate(commands)
    add_import(commands)
    add_key(commands)
    add_report(commands)
    add_reviews(commands)
    add_rollout(commands)
    add_simulate(commands)
    add_status(commands)
    add_top(commands)
    add_vet(commands)

    demo = commands.add_parser("demo", help="a support desk's day on this machine, and a table")
    demo.add_argument("--once", action="store_true", help="end after the table")
    demo.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    demo.add_argument("--open", action="store_true", help="let everybody call, from anywhere")
    demo.add_argument("--port", type=port, help="default: 8080, or a free one if that is in use")
    demo.add_argument(
        "--requests", type=count, default=360, help="requests of the day (%(default)s)"
    )
    demo.add_argument(
        "--drift", action="store_true", help="instead: a model gets worse, and what follows"
    )
    demo.add_argument(
        "--picture",
        type=Path,
        default=Path("drift-story.png"),
        metavar="FILE",
        help="with --drift: quality, weights and cost over time (%(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 130 if Ctrl-C ended it before it had anything to end."""
    try:
        status = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`
        unheard()
        return 1
    return status


def complete() -> int:
    """The program `kubectl_complete-pointsman`: what may follow the words that it is given."""
    return main(["__complete", *sys.argv[1:]])


def _complete(words: Sequence[str]) -> int:
    from pointsman.cli.completion.candidates import candidates  # noqa: PLC0415

    found, directive = candidates(_parser(), _read(words))
    print("\n".join([*found, f":{directive}"]))
    return 0


def _read(words: Sequence[str]) -> list[str]:
    """`audit log` is a command of its own; a file of that name is `./log`."""
    is_log = [*words[:2]] == ["audit", "log"]
    return [AUDIT_LOG, *words[2:]] if is_log else [*words]


def _run(argv: Sequence[str] | None) -> int:
    """Each command is imported when it is asked for, so that all start fast."""
    words = sys.argv[1:] if argv is None else argv
    if [*words[:1]] == ["__complete"]:
        return _complete(words[1:])
    options = _parser().parse_args(_read(words))
    if options.command in _WITH_OPTIONS:
        with importing():
            module = importlib.import_module(_WITH_OPTIONS[options.command])
        name = options.command.replace("-", "_")
        name += "_" if keyword.iskeyword(name) else ""
        status: int = getattr(module, name)(options)
        return status
    match options.command:
        case "check":
            with importing():
                from pointsman.cli.check import check  # noqa: PLC0415

            return check(options.paths)
        case "up":
            with importing():
                from pointsman.cli.up import up  # noqa: PLC0415

            return up(
                options.paths,
                host=options.host,
                port=options.port,
                time_scale=options.time_scale,
                chosen_open=options.open,
                ledger=options.ledger,
                otlp_endpoint=options.otlp_endpoint,
            )
        case _ if options.drift:
            from pointsman.cli.demo.story.run import drift  # noqa: PLC0415

            return drift(
                once=options.once,
                host=options.host,
                port=options.port,
                picture=options.picture,
                chosen_open=options.open,
            )
        case _:
            from pointsman.cli.demo.run import demo  # noqa: PLC0415

            return demo(
                once=options.once,
                host=options.host,
                port=options.port,
                count=options.requests,
                chosen_open=options.open,
            )


if __name__ == "__main__":
    sys.exit(main())
