"""Replica-hours of local mode: its processes are the replicas, measured as in a cluster.

A replica counts while its process is wanted, starting and failing too. Each session has accounts of
its own: its processes are no one else's.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.events.schema import encode
from pointsman.operator.controllers.metering import LOOK_S, Meter
from pointsman.router.live import Live


class LocalMeter:
    """`put` keeps an encoded event."""

    def __init__(self, put: Callable[[bytes], None], live: Live) -> None:
        self._session = secrets.token_hex(8)
        self._meter = Meter(lambda event: put(encode(event)), self._in_flight)
        self._live = live
        self._backends: Mapping[str, ModelBackend] = {}
        self._processes: Iterable[str] = ()

    def follow(self, backends: Mapping[str, ModelBackend], processes: Iterable[str]) -> None:
        """These are there now; keys of processes are such as `qwen-light/0`."""
        for name in self._backends.keys() - backends.keys():
            self._meter.end(name)
        self._backends, self._processes = backends, processes
        self._see()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._see()
            self._meter.look()
            await asyncio.sleep(LOOK_S)

    def end(self) -> None:
        """Tell what has not been told: no process outlives the session."""
        self._see()
        self._meter.end_all()

    def _see(self) -> None:
        for name, backend in self._backends.items():
            about = backend.metadata.model_copy(update={"uid": f"{self._session}-{name}"})
            mine = {key: None for key in self._processes if key.rpartition("/")[0] == name}
            self._meter.see(backend.model_copy(update={"metadata": about}), mine)

    def _in_flight(self, name: str) -> int:
        return self._live.in_flight.get(name, 0) + self._live.held.get(name, 0)
