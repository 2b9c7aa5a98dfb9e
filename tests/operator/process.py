"""An operator as a child process, under its own ServiceAccount's token."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.fleet import RELEASE, Fleet

ROOT = Path(__file__).parent.parent.parent
HEALTH_PORT = 19902


class OperatorProcess:
    """One identity, many lives: restarted at once, unlike a pod that a kubelet makes wait."""

    def __init__(
        self,
        fleet: Fleet,
        module: str = "pointsman.operator",
        *,
        server: str = "",
        port: int = HEALTH_PORT,
        flags: Sequence[str] = (),
    ) -> None:
        """`server`: where the API server is for it, if it is not asked directly; a `port` each."""
        account, bench = f"{RELEASE}-operator", fleet.bench
        token = bench.dir / f"router-token-{fleet.namespace}"
        token.write_text(bench.token(fleet.namespace, account, audience="pointsman-router"))
        kubeconfig = bench.service_account_kubeconfig(fleet.namespace, account)
        if server:
            kubeconfig.write_text(kubeconfig.read_text().replace(bench.api_url, server))
        self._command = [
            sys.executable, "-m", module,
            "--namespace", fleet.namespace,
            "--release", RELEASE,
            "--identity", "child",
            "--kubeconfig", str(kubeconfig),
            "--router-token-file", str(token),
            "--health-port", str(port), *flags,
        ]  # fmt: skip
        self._environment = bench.environment()
        self.log = bench.dir / f"operator-{module}-{fleet.namespace}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=self._environment | environment,
                cwd=ROOT,
                start_new_session=True,
            )

    def lives_on(self, seconds: float) -> bool:
        """False if it ends within this time."""
        assert self.process, "start first"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is None

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Asked to end, so that it gives the Lease back: the next one need not wait."""
        if self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.kill()
