"""The arguments of `pointsman completion`."""

import argparse


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman completion`."""
    parser = commands.add_parser(
        "completion",
        help="what a shell needs to complete commands, flags and names",
        description="Prints what a shell needs to complete commands, flags and names: "
        "source <(pointsman completion bash)",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
