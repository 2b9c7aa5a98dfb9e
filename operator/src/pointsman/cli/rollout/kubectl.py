"""kubectl as this machine has it: its kubeconfig, its login plugins, its user."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 30.0


class Failed(Exception):
    """What kubectl said, in one line."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """`flags` are those of every call, such as --context."""

    flags: Sequence[str] = ()

    def run(self, *args: str) -> str:
        """Its output; raises Failed."""
        program = shutil.which("kubectl")
        if program is None:
            raise Failed("there is no kubectl on the PATH")
        try:
            done = subprocess.run(  # noqa: S603 - no shell; names are arguments
                [program, *self.flags, *args],
                capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S,
                check=False,
            )  # fmt: skip
        except OSError as error:
            raise Failed(f"{program} cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"kubectl did not answer within {TIMEOUT_S:g} s") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"kubectl ended with {done.returncode}"]
            raise Failed(lines[-1])
        return done.stdout

    def get(self, *args: str) -> dict[str, Any]:
        """An object, or a list of them."""
        try:
            found: dict[str, Any] = json.loads(self.run("get", *args, "-o", "json"))
        except (ValueError, RecursionError) as error:
            raise Failed(f"kubectl's answer is no JSON: {error}") from None
        return found

    def me(self) -> str:
        """Who the API server says I am; empty if it does not."""
        try:
            return self.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()
        except Failed:
            return ""
