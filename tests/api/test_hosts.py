"""Which hosts may see a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.hosts import covers, host_of, split_allowed


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.com", "api.EXAMPLE.com"),
        ("*.example.com", "api.example.com"),
        ("*.example.com", "a.b.example.com"),
        ("other.org, *.example.com ,", "api.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
    ],
)
def test_a_named_host_is_covered(allowed: str, host: str) -> None:
    """Exactly, by a wildcard above it, and in any case."""
    assert covers(split_allowed(allowed), host)


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("*.example.com", "example.com"),
        ("*.example.com", "badexample.com"),
        ("*.example.com", ".example.com"),
        ("*.example.com", "example.com.evil.org"),
        ("*", "api.example.com"),
        ("*.", "api.example.com"),
        ("**.example.com", "api.example.com"),
        ("api.*.com", "api.example.com"),
        ("api.example.com:443", "api.example.com"),
        ("https://api.example.com", "api.example.com"),
        ("api.example.com", "api.example.com:443"),
        ("api.example.com", "api.example.com."),
        ("api.example.com", "api.example.com\n"),
        ("*.0.0.1", "127.0.0.1"),
        ("*.1", "::1"),
        ("", "api.example.com"),
        ("", ""),
        ("*.example.com", "аpi.example.com"),
    ],
)
def test_anything_else_is_not(allowed: str, host: str) -> None:
    """Neighbors, ports, schemes, bare stars, addresses under a wildcard, look-alikes."""
    assert not covers(split_allowed(allowed), host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com/v1", "api.example.com"),
        ("https://API.example.com:8443", "api.example.com"),
        ("http://[::1]:8000/v1", "::1"),
        ("https://api.example.com@evil.org/", None),
        ("https://evil.org\\@api.example.com/", None),
        ("https://evil.org\\.api.example.com/", None),
        ("https://api.example.com:x/", None),
        ("https://api.example.com\t.evil.org/", None),
        ("ftp://api.example.com/", None),
        ("https:///v1", None),
        ("api.example.com", None),
        ("https://[::1/", None),
    ],
)
def test_the_host_of_a_url_is_beyond_doubt_or_nothing(url: str, host: str | None) -> None:
    """What two parsers could read differently has no host."""
    assert host_of(url) == host


_label = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)


@given(labels=st.lists(_label, min_size=2, max_size=5), other=_label)
def test_a_wildcard_covers_below_and_never_beside(labels: list[str], other: str) -> None:
    """`*.d` covers every name that ends in `.d`, and not `xd`."""
    domain = "x" + ".".join(labels)

    assert covers((f"*.{domain}",), f"{other}.{domain}")
    assert not covers((f"*.{domain}",), f"{other}{domain}")
    assert not covers((f"*.{domain}",), f"{domain}.{other}")
