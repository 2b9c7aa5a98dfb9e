"""kubectl as this machine has it: its kubeconfig, its login plugins, its user."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 30.0
_NO_CLUSTER = (
    "; kubectl knows no cluster: there is none in its kubeconfig. `pointsman up` is none either:"
    " its own lines and its console say how it stands"
)


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
            raise Failed(f"{lines[-1]}{_NO_CLUSTER if self._knows_none(program) else ''}")
        return done.stdout

    def _knows_none(self, program: str) -> bool:
        """True without a kubeconfig: kubectl asks localhost:8080 then, which may be a router."""
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            return False
        asked = [program, *self.flags, "config", "view", "-o", "json"]
        try:
            done = subprocess.run(  # noqa: S603 - as above
                asked, capture_output=True, timeout=TIMEOUT_S, check=False
            )
            return not done.returncode and not json.loads(done.stdout).get("clusters")
        except (OSError, subprocess.TimeoutExpired, ValueError, AttributeError):
            return False

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
