"""Liveness, and the settings that a process starts with."""

import json
import socket
import threading
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pointsman.operator.errors import Broken
from pointsman.operator.health import MOST, HealthServer, Vitals
from pointsman.operator.logs import JsonLines
from pointsman.operator.settings import parse_settings


def vitals(**more: float) -> Vitals:
    return Vitals(max_age_s=60, max_resync_age_s=360, heartbeat_s=100.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("resync_s", "now_s", "trouble"),
    [
        (None, 150.0, ""),
        (100.0, 150.0, ""),
        (None, 161.0, "LoopBlocked"),
        (-300.0, 150.0, "ResyncOverdue"),
    ],
)
def test_alive_means_the_loop_turns_and_the_resync_comes(
    resync_s: float | None, now_s: float, trouble: str
) -> None:
    """A standby has no resync; a blocked loop has no heartbeat."""
    value = vitals()
    value.resync_s = resync_s

    assert value.trouble(now_s).partition(":")[0] == trouble


@pytest.mark.local
def test_a_blocked_loop_is_seen_from_outside() -> None:
    """The server is a thread of its own."""
    dead = Vitals(max_age_s=-1, max_resync_age_s=360)
    server = HealthServer(0, dead, lambda: {"desk": {"blob": "aa"}})
    server.start()
    address = f"http://127.0.0.1:{server.port}"
    try:
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{address}/healthz", timeout=5)
        refused.value.close()
        with urlopen(f"{address}/debug/programmed", timeout=5) as answer:
            programmed = json.load(answer)
        with urlopen(f"{address}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
    finally:
        server.close()

    assert refused.value.code == 503
    assert programmed == {"desk": {"blob": "aa"}}
    assert "pointsman_operator_reconciles" in metrics


@pytest.mark.local
def test_a_busy_loop_is_told_and_not_a_broken_connection() -> None:
    """What the controllers would say is asked of their loop, which may be late."""

    def programmed() -> dict[str, object]:
        raise TimeoutError

    server = HealthServer(0, vitals(), programmed)
    server.start()
    try:
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://127.0.0.1:{server.port}/debug/programmed", timeout=5)
        told = refused.value.read()
        refused.value.close()
    finally:
        server.close()

    assert (refused.value.code, told.partition(b":")[0]) == (503, b"LoopBusy")


def _is_cut(connection: socket.socket) -> bool:
    """By an end, or a reset where something that it sent was not read."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.local
def test_strangers_take_neither_memory_nor_a_probes_place() -> None:
    """Of too many connections the oldest is cut; each would be a thread for as long as it drips."""
    server = HealthServer(0, vitals(), dict)
    server.start()
    before = threading.active_count()
    try:
        with ExitStack() as held:
            strangers = []
            for _ in range(MOST + 20):
                at = ("127.0.0.1", server.port)
                strangers.append(held.enter_context(socket.create_connection(at, timeout=20)))
                strangers[-1].sendall(b"GET /healthz HTTP/1.1\r\nx: ")
            assert all(map(_is_cut, strangers[:20]))
            with pytest.raises(HTTPError) as refused:
                urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=20)
            refused.value.close()
            threads = threading.active_count() - before
    finally:
        server.close()

    assert refused.value.code == 503
    assert threads <= MOST + 21  # those of who was cut may be ending


@pytest.mark.local
def test_a_port_in_use_ends_the_process_with_its_number() -> None:
    """A line of the log, and no trace."""
    one = HealthServer(0, vitals(), dict)
    one.start()
    try:
        with pytest.raises(Broken, match=f"port {one.port} for health: Address already in use"):
            HealthServer(one.port, vitals(), dict)
    finally:
        one.close()


def test_flags_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a pod's name is the identity."""
    monkeypatch.setenv("POINTSMAN_RELEASE", "from-env")
    monkeypatch.setenv("POINTSMAN_HEALTH_PORT", "1")
    monkeypatch.setenv("POD_NAME", "pod-1")
    settings = parse_settings(["--namespace", "ai", "--health-port", "2"])

    assert (settings.release, settings.health_port, settings.identity) == ("from-env", 2, "pod-1")
    assert settings.router_selector == (
        "app.kubernetes.io/name=pointsman,app.kubernetes.io/instance=from-env,"
        "app.kubernetes.io/component=router"
    )


@pytest.mark.parametrize(
    "flags", [["--health-port", "x"], ["--leader-elect", "maybe"], ["--log-level", "LOUD"]]
)
def test_nonsense_is_refused_at_the_start(flags: list[str]) -> None:
    """Exit status 2, with usage."""
    with pytest.raises(SystemExit) as ended:
        parse_settings(["--namespace", "ai", *flags])

    assert ended.value.code == 2


def test_a_log_line_holds_plain_facts_only(caplog: pytest.LogCaptureFixture) -> None:
    """A spec or a response that slips into `extra` is not printed."""
    import logging

    with caplog.at_level("INFO", logger="pointsman.test"):
        logging.getLogger("pointsman.test").info("written", extra={"serial": 3, "body": {"a": 1}})
    line = json.loads(JsonLines().format(caplog.records[0]))

    assert (line["event"], line["serial"]) == ("written", 3)
    assert "body" not in line
