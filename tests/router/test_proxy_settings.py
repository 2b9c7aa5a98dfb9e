"""The proxy of the environment: what is taken, what is refused, who goes past it."""

import subprocess
import sys

import pytest

from pointsman.router.proxy import Proxy, proxy_from
from pointsman.router.settings import parse

URL = "http://proxy.corp:3128"


def proxy(no_proxy: str = "", url: str = URL) -> Proxy:
    """Of such an environment."""
    found = proxy_from({"HTTPS_PROXY": url, "NO_PROXY": no_proxy})
    assert found is not None
    return found


def test_no_value_is_no_proxy() -> None:
    """And small letters win, as in curl."""
    assert proxy_from({}) is None
    assert proxy_from({"HTTPS_PROXY": " ", "NO_PROXY": "!"}) is None
    both = proxy_from({"HTTPS_PROXY": URL, "https_proxy": "other:8080"})
    assert both is not None
    assert (both.host, both.port) == ("other", 8080)
    assert proxy_from({"HTTP_PROXY": URL}) is None


@pytest.mark.parametrize(
    "url",
    ["https://p:1", "socks5://p:1", "http://", "http://:3128", "http://p:0", "http://p:99999",
     "http://p:x", "http://p/path", "http://p:1?q", "http://[::1", "http://pröxy:1",
     "http://a b:1"],
)  # fmt: skip
def test_what_means_nothing_is_an_error_without_the_value(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The router ends with 2 at its start; a password in the value is not repeated."""
    secret = url.replace("://", "://me:hunter2@")
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        proxy_from({"HTTPS_PROXY": secret})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SystemExit) as ended:
        parse(["--callers=Open", "--namespace=demo"], {"HTTPS_PROXY": secret})
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "HTTPS_PROXY" in told
    assert "hunter2" not in told


def test_credentials_are_a_header_and_in_no_repr() -> None:
    """Percent-encoded, as every URL's."""
    found = proxy(url="http://me:p%40ss@proxy.corp")
    assert found.authorization == b"proxy-authorization: Basic bWU6cEBzcw==\r\n"
    assert found.port == 80
    assert "bWU6" not in repr(found)
    settings = parse(["--callers=Open", "--namespace=demo"], {"HTTPS_PROXY": "http://me:hunter2@p"})
    assert "hunter2" not in repr(settings)
    assert settings.proxy is not None


@pytest.mark.parametrize(
    ("no_proxy", "host", "taken"),
    [
        ("", "api.openai.com", True),
        ("*", "api.openai.com", False),
        ("corp", "api.corp", False),
        (".corp", "api.corp", False),
        ("*.corp", "API.Corp.", False),
        ("corp", "apicorp", True),
        ("api.corp", "corp", True),
        ("a.b, api.corp other", "api.corp", False),
        ("api.corp:443", "api.corp", False),
        ("api.corp:8443", "api.corp", True),
        ("10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
        ("fd00::/8", "fd00::1", False),
        ("10.0.0.1", "10.0.0.1", False),
        ("10.0.0.0/8", "ten.corp", True),
    ],
)
def test_who_is_asked_without_it(no_proxy: str, host: str, taken: bool) -> None:
    """Domains with their subdomains, addresses, networks, ports."""
    assert proxy(no_proxy).takes(host, 443) is taken


@pytest.mark.parametrize("entry", ["a/b", "10.0.0.0/99", "ho st!", "http://x", "host:", "host:x"])
def test_an_exemption_that_means_nothing_is_an_error(entry: str) -> None:
    """Else it would be asked through the proxy, and nobody would know why."""
    with pytest.raises(ValueError, match="NO_PROXY"):
        proxy_from({"HTTPS_PROXY": URL, "NO_PROXY": f"{entry},!"})


@pytest.mark.slow
def test_without_one_nothing_is_loaded_for_it() -> None:
    """A router's memory is for requests."""
    code = (
        "import sys, pointsman.router.serve.app\n"
        "from pointsman.router.settings import parse\n"
        "parse(['--callers=Open', '--namespace=demo'], {})\n"
        "assert not {'pointsman.router.proxy', 'pointsman.router.serve.tunnel'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
