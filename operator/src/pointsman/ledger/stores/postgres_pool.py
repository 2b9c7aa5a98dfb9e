"""Connections to PostgreSQL, used again, and ended when a server says nothing.

Guarantees that a block with a connection ends soon after its deadline: statement_timeout is the
server's, and of no use when the server, or the way to it, is silent.
"""

import contextlib
import os
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from pointsman.ledger.contract import StoreAway, StoreUnfit

Connection = psycopg.Connection[tuple[Any, ...]]
_CONNECT_S: Final = 5
_MARGIN_S: Final = 1.0
"""The server may end a statement itself first, which leaves the connection in use."""


class Pool:
    """At most `connections` at once; more callers wait for `timeout_s`."""

    def __init__(self, conninfo: str, connections: int, timeout_s: float) -> None:
        self._conninfo = conninfo
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        self._places = threading.BoundedSemaphore(connections)
        self._closed = False

    @contextlib.contextmanager
    def connection(self, within_s: float) -> Iterator[Connection]:
        """In a transaction that is committed at the end, or rolled back by an exception."""
        if not self._places.acquire(timeout=min(within_s, self._timeout_s)):
            raise StoreAway("all connections are in use")
        try:
            connection = self._take()
            try:
                with _ended_after(connection, within_s + _MARGIN_S), connection.transaction():
                    yield connection
            finally:
                self._give_back(connection)
        finally:
            self._places.release()

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return self._connect()
            if _alive(connection):
                return connection
            connection.close()

    def _connect(self) -> Connection:
        if self._closed:
            raise StoreAway("the store is closed")
        try:
            return psycopg.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=_CONNECT_S,
                client_encoding="utf8",
                application_name="pointsman-ledger",
            )
        except psycopg.ProgrammingError:
            raise StoreUnfit("--postgres is no connection string of PostgreSQL") from None

    def _give_back(self, connection: Connection) -> None:
        usable = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if usable and not self._closed:
            self._idle.put(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Idle ones now, the others when they are given back."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get().close()


def _alive(connection: Connection) -> bool:
    """False if the server has ended it meanwhile; asks nobody."""
    if connection.closed:
        return False
    with socket.socket(fileno=os.dup(connection.fileno())) as plug:
        plug.setblocking(False)
        try:
            return bool(plug.recv(1, socket.MSG_PEEK)) and False
        except BlockingIOError:
            return True
        except OSError:
            return False


@contextlib.contextmanager
def _ended_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection then: who waits for it gets an error."""
    plug = socket.socket(fileno=os.dup(connection.fileno()))
    timer = threading.Timer(seconds, _cut, (plug,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        plug.close()


def _cut(plug: socket.socket) -> None:
    with contextlib.suppress(OSError):
        plug.shutdown(socket.SHUT_RDWR)
