"""Flags, environment, kubeconfigs: what is taken and what is refused."""

import base64
from pathlib import Path

import pytest
import trustme
import yaml

from pointsman.process.address import Address
from pointsman.router.control.kube_config import ConfigError, from_kubeconfig, in_cluster
from pointsman.router.settings import parse


def test_defaults_need_only_the_namespace_and_who_may_call() -> None:
    """The pod's environment gives the first, somebody chooses the second."""
    settings = parse(["--callers=Open"], {"POD_NAMESPACE": "demo", "POD_NAME": "router-7"})

    assert settings.listen == Address("0.0.0.0", 8080)
    assert settings.admin == Address("0.0.0.0", 9901)
    assert settings.router == "router-7"
    assert settings.operator_user == "system:serviceaccount:demo:pointsman-operator"


def test_flags_win_over_the_environment() -> None:
    """And both over defaults."""
    environment = {
        "POD_NAMESPACE": "demo",
        "POINTSMAN_CALLERS": "Keys",
        "POINTSMAN_CALLER_SECRETS": "here, there",
        "POINTSMAN_RELEASE": "blue",
        "POINTSMAN_STATE_DIR": "/state",
        "POINTSMAN_DRAIN_SECONDS": "5",
    }

    settings = parse(["--release=green", "--listen=[::1]:0"], environment)

    assert (settings.release, settings.drain_s) == ("green", 5.0)
    assert settings.state_dir == Path("/state")
    assert parse(["--router-service=fleet"], environment).router_service == "fleet"
    assert (settings.callers, settings.caller_secrets) == ("Keys", ("here", "there"))
    assert settings.listen == Address("::1", 0)


@pytest.mark.parametrize(
    "flags",
    [
        ["--namespace="],
        ["--listen=8080"],
        ["--listen=0.0.0.0:99999"],
        ["--drain-seconds=0"],
        ["--drain-seconds=nan"],
        ["--shutdown-delay-seconds=-1"],
        ["--shutdown-delay-seconds=nan"],
        ["--api-timeout-seconds=0"],
        ["--watch-inactivity-seconds=inf"],
        ["--resync-seconds=-1"],
        ["--admin-auth=none"],
        ["--admin-auth=none", "--admin=10.0.0.1:9901"],
        ["--admin-auth=maybe"],
        ["--release="],
    ],
)
def test_what_means_nothing_is_refused(flags: list[str], capsys: object) -> None:
    """With exit code 2; an admin port without tokens is for loopback only."""
    with pytest.raises(SystemExit, match="2"):
        parse(["--callers=Open", *flags], {"POD_NAMESPACE": "demo"})


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ([], "--callers"),
        (["--callers="], "--callers"),
        (["--callers=open"], "--callers"),
        (["--callers=None"], "--callers"),
        (["--caller-secrets=a"], "--callers"),
        (["--callers=Keys"], "--caller-secrets"),
        (["--callers=Keys", "--caller-secrets=,"], "--caller-secrets"),
        (["--callers=Keys", "--caller-secrets=a,a"], "--caller-secrets"),
        (["--callers=Keys", "--caller-secrets=../x"], "--caller-secrets"),
        (["--callers=Open", "--caller-secrets=a"], "--caller-secrets"),
    ],
)
def test_no_router_is_open_by_accident(
    flags: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unset, misspelled or contradictory: the flag is named, and nothing starts."""
    with pytest.raises(SystemExit, match="2"):
        parse(flags, {"POD_NAMESPACE": "demo"})

    assert named in capsys.readouterr().err.splitlines()[-1]


def test_without_a_ledger_nothing_is_recorded() -> None:
    """A folder is enough: its events are sent by a later process that has a ledger."""
    environment = {"POD_NAMESPACE": "demo", "POINTSMAN_CALLERS": "Open"}

    assert not parse([], environment).records
    assert parse(["--events-dir=/spool"], environment).records
    settings = parse(["--ledger=https://ledger:8090", "--events-max-mib=16"], environment)

    assert settings.records
    assert settings.ledger is not None
    assert settings.ledger.path("/v1/events") == "/v1/events"
    assert settings.events.disk_bytes == 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--ledger=ledger:8090"], "--ledger"),
        (["--ledger=ftp://ledger"], "--ledger"),
        (["--ledger-token-file=/token"], "--ledger"),
        (["--events-max-mib=15"], "--events-max-mib"),
        (["--events-max-mib=1e3"], "--events-max-mib"),
        (["--events-fsync-seconds=-1"], "--events-fsync-seconds"),
        (["--events-fsync-seconds=nan"], "--events-fsync-seconds"),
        (["--events-fsync-seconds=soon"], "--events-fsync-seconds"),
    ],
)
def test_a_spool_that_means_nothing_is_refused(
    flags: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flag is named."""
    with pytest.raises(SystemExit, match="2"):
        parse(["--callers=Open", *flags], {"POD_NAMESPACE": "demo"})

    assert named in capsys.readouterr().err.splitlines()[-1]


def test_loopback_may_go_without_tokens() -> None:
    """For local mode."""
    settings = parse(
        ["--admin-auth=none", "--admin=127.0.0.1:0", "--namespace=demo", "--callers=Open"],
        environment={},
    )

    assert settings.admin.is_loopback


def _kubeconfig(tmp_path: Path, cluster: dict[str, object], user: dict[str, object]) -> Path:
    path = tmp_path / "kubeconfig"
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_kubeconfig_gives_address_trust_and_identity(tmp_path: Path) -> None:
    """Data or files, token or client certificate."""
    authority = trustme.CA()
    certificate = authority.issue_cert("client")
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "token").write_text("rotated\n")
    key, chain = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()

    by_token = from_kubeconfig(
        _kubeconfig(
            tmp_path,
            {"server": "https://127.0.0.1:6443/", "certificate-authority": "ca.crt"},
            {"tokenFile": "token"},
        )
    )
    by_certificate = from_kubeconfig(
        _kubeconfig(
            tmp_path,
            {
                "server": "https://127.0.0.1:6443",
                "certificate-authority-data": base64.b64encode(authority.cert_pem.bytes()).decode(),
            },
            {
                "client-certificate-data": base64.b64encode(chain).decode(),
                "client-key-data": base64.b64encode(key).decode(),
            },
        )
    )

    assert (by_token.url, by_token.bearer()) == ("https://127.0.0.1:6443", "rotated")
    assert by_certificate.bearer() is None
    assert by_certificate.tls is not None
    assert by_certificate.tls.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize(
    ("cluster", "user", "reason"),
    [
        ({"server": "https://a", "insecure-skip-tls-verify": True}, {}, "insecure"),
        ({"server": "https://a"}, {"exec": {"command": "aws"}}, "start another program"),
        ({}, {}, "lacks server"),
        ({"server": "https://a", "certificate-authority-data": "%"}, {}, "base64"),
        ({"server": "https://a", "certificate-authority": "missing"}, {}, "certificates"),
    ],
)
def test_an_unsafe_or_broken_kubeconfig_is_refused(
    tmp_path: Path, cluster: dict[str, object], user: dict[str, object], reason: str
) -> None:
    """Rather than half obeyed."""
    with pytest.raises(ConfigError, match=reason):
        from_kubeconfig(_kubeconfig(tmp_path, cluster, user))


def test_a_pod_finds_its_api_server(tmp_path: Path) -> None:
    """By environment, ca.crt and a token that is read each time."""
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    server = in_cluster(environment, tmp_path)

    assert server.url == "https://[fd00::1]:443"
    with pytest.raises(ConfigError, match="token"):
        server.bearer()
    with pytest.raises(ConfigError, match="--kubeconfig"):
        in_cluster({}, tmp_path)
