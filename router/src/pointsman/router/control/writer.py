"""Writes state off the event loop: a daemon thread, latest wins, failures retried and counted.

Guarantees that `put` never blocks and that a hung disk delays neither a switch nor the exit.
Refuses to hide a failure: `problems` names what is not on disk and why.
"""

import logging
import threading
import time
from collections.abc import Callable

from pointsman.router.control.metrics import ControlMetrics

_log = logging.getLogger(__name__)
RETRY_S = 10.0
"""Between attempts while the disk refuses: a full disk is seldom emptied faster."""


class Writer:
    """One thread for all documents of a router."""

    def __init__(self, metrics: ControlMetrics, *, retry_s: float = RETRY_S) -> None:
        self._metrics = metrics
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._jobs: dict[str, Callable[[], None]] = {}
        self._busy = False
        self._thread: threading.Thread | None = None
        self.problems: dict[str, str] = {}
        """Document -> why its newest version is not stored."""

    def put(self, document: str, job: Callable[[], None]) -> None:
        """Run `job` soon; one that still waits for the same document is forgotten."""
        with self._changed:
            self._jobs[document] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="state", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, deadline_s: float) -> bool:
        """Wait until nothing waits to be tried; False if that took longer than the deadline."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._busy and not self._jobs.keys() - self.problems.keys(),
                deadline_s,
            )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._wait()
                jobs, self._jobs = self._jobs, {}
                self._busy = True
            for document, job in jobs.items():
                self._attempt(document, job)

    def _wait(self) -> None:
        """Until there is something new, or a failed write is due again."""
        due = time.monotonic() + self._retry_s
        while not self._jobs.keys() - self.problems.keys():
            left = due - time.monotonic()
            if self._jobs and left <= 0:
                return
            self._changed.wait(left if self._jobs else None)

    def _attempt(self, document: str, job: Callable[[], None]) -> None:
        try:
            job()
        except OSError as error:
            why = error.strerror or type(error).__name__
            if self.problems.get(document) != why:
                _log.warning("state-not-stored", extra={"document": document, "reason": why})
            self._metrics.store_failures.labels(document).inc()
            with self._changed:
                self.problems[document] = why
                self._jobs.setdefault(document, job)
            return
        with self._changed:
            self.problems.pop(document, None)
