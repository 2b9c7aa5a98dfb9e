"""The tests' name server says what name servers say (RFC 1035)."""

import socket

import pytest

from tests.faults.table.names import Mood, NameServer, reply

QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01"


def test_an_address_is_told_over_the_wire() -> None:
    """The question is repeated, the answer points to it."""
    with NameServer({"a.test": "10.0.0.9"}, host="127.0.0.1", port=0) as names:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            client.sendto(QUESTION, ("127.0.0.1", names.port))
            answer = client.recv(512)
        assert names.asked == 1

    assert answer[:2] == QUESTION[:2]
    assert answer[12 : len(QUESTION)] == QUESTION[12:]
    assert answer.endswith(socket.inet_aton("10.0.0.9"))


def test_its_port_is_free_after_its_block() -> None:
    """Whether it was asked last or not."""
    with NameServer({}, host="127.0.0.1", port=0) as names:
        port = names.port
    with NameServer({}, host="127.0.0.1", port=port):
        pass


@pytest.mark.parametrize(("mood", "code"), [("NXDOMAIN", 3), ("SERVFAIL", 2)])
def test_a_mood_is_a_code_without_records(mood: Mood, code: int) -> None:
    """As BIND and CoreDNS answer."""
    answer = reply(QUESTION, {"a.test": "10.0.0.9"}, mood)

    assert answer is not None
    assert answer[3] & 0x0F == code
    assert answer[6:8] == b"\x00\x00"


def test_a_name_that_nobody_told_is_none_and_silence_is_silence() -> None:
    """Both in any mood that is well, or not."""
    unknown = reply(QUESTION, {}, "well")

    assert unknown is not None
    assert unknown[3] & 0x0F == 3
    assert reply(QUESTION, {"a.test": "10.0.0.9"}, "silent") is None
    assert reply(b"short", {}, "well") is None
