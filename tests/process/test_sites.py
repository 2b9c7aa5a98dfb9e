"""Which Host headers are of this machine."""

import pytest

from pointsman.process.sites import is_local


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:9903", True),
        ("127.0.0.1", True),
        ("127.8.8.8:80", True),
        ("localhost:9903", True),
        ("LocalHost", True),
        ("[::1]:9903", True),
        ("[::1]", True),
        ("", False),
        ("evil.example.com", False),
        ("localhost.evil.example.com:9903", False),
        ("127.0.0.1.evil.example.com", False),
        ("evil.example.com:127.0.0.1", False),
        ("10.0.0.1:9903", False),
        ("0.0.0.0:9903", False),
        ("[::]:9903", False),
        ("[::1", False),
    ],
)
def test_which_names_lead_to_this_machine_by_themselves(host: str, expected: bool) -> None:
    """Addresses of loopback and localhost, with any port; no name that somebody's DNS answers."""
    assert is_local(host) is expected
