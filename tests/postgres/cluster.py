"""One private PostgreSQL: a unix socket in a temporary folder, an unprivileged user, no network.

Guarantees that it ends with this process, however that ends, and leaves nothing behind if it ends
in an orderly way. `stop` and `start` are for tests of what happens in between.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE_S = 30.0


class NoPostgres(Exception):
    """It cannot be used here; the message says why."""


def programs() -> Path:
    """The folder with initdb and postgres, of the newest version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    for folder in reversed(folders):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        raise NoPostgres("initdb is not installed (Debian: apt-get install postgresql)")
    return Path(found).resolve().parent


class Cluster:
    """`with` it. `options` are settings of postgres, such as fsync=off."""

    def __init__(self, *options: str) -> None:
        self._programs = programs()
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="pm-pg-"))
        nobody = None if os.geteuid() else pwd.getpwnam("nobody")
        self._user = nobody.pw_uid if nobody else None
        self._drop = (
            [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            if nobody
            else []
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def __enter__(self) -> "Cluster":
        try:
            if self._user is not None:
                os.chown(self._folder, self._user, -1)
            self._run(
                "initdb", "--pgdata", str(self._data), "--auth=trust", "--username=pointsman",
                "--encoding=UTF8", "--locale=C", "--no-sync",
            )  # fmt: skip
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """Connection string."""
        return f"host={self._folder} user=pointsman dbname={database}"

    def database(self, encoding: str = "UTF8") -> str:
        """Connection string of a new, empty database."""
        self._made += 1
        name = f"test_{self._made}"
        self.sql(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        return self.url(name)

    def sql(self, statement: str) -> None:
        """As superuser, in the database postgres."""
        self._run("psql", "--quiet", "--command", statement, self.url())

    def start(self) -> None:
        """Returns when it answers."""
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self._folder),
            "max_connections": "60", "shared_buffers": "256MB",
        } | dict(option.split("=", 1) for option in self._options)  # fmt: skip
        command = ["setpriv", "--pdeathsig", "INT"]  # INT is its fast shutdown
        command += [*self._drop, "--", str(self._programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end_s = time.monotonic() + PATIENCE_S
        while self._ask("pg_isready", "--quiet", "--host", str(self._folder)):
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise NoPostgres(f"postgres does not start: {self.log()[-2000:]}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT ends it fast, SIGQUIT as a crash does."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(PATIENCE_S)
            self._process = None

    def log(self) -> str:
        """What it wrote."""
        return (self._folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """End it and remove everything."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, program: str, *arguments: str) -> int:
        command = [str(self._programs / program), *arguments]
        return subprocess.run(command, check=False, timeout=PATIENCE_S).returncode

    def _run(self, program: str, *arguments: str) -> None:
        command = ["setpriv", *self._drop, "--", str(self._programs / program), *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, cwd="/"
        )
        if done.returncode:
            raise NoPostgres(f"{program}: {done.stderr.strip()[-2000:]}")
