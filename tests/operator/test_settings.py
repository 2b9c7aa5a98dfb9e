"""The operator's flags: what means nothing is refused with its reason."""

import pytest

from pointsman.operator.settings import parse_settings


def test_clocks_come_from_flags_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags first."""
    monkeypatch.setenv("POINTSMAN_WATCH_INACTIVITY_SECONDS", "9")
    monkeypatch.setenv("POINTSMAN_RESYNC_SECONDS", "8")
    settings = parse_settings(["--namespace=ai", "--resync-seconds=7.5"])

    assert (settings.watch_inactivity_s, settings.resync_s) == (9.0, 7.5)
    assert settings.request_timeout_s == 30.0


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", ""])
@pytest.mark.parametrize("flag", ["api-timeout", "watch-inactivity", "resync"])
def test_a_clock_without_sense_is_refused(
    flag: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deadline of zero would refuse everything, an endless one would wait for ever."""
    with pytest.raises(SystemExit, match="2"):
        parse_settings(["--namespace=ai", f"--{flag}-seconds={seconds}"])
    assert "seconds are numbers over 0" in capsys.readouterr().err


def test_a_resync_comes_before_the_promised_90_seconds() -> None:
    """With the time for one reconcile."""
    assert parse_settings(["--namespace=ai"]).resync_s <= 85.0


def test_the_ledger_is_said_in_three_flags() -> None:
    """As the routers have them."""
    flags = ("--ledger=http://l:9903", "--ledger-token-file=t", "--ledger-ca-file=ca")
    found = parse_settings(["--namespace=ai", *flags]).ledger
    assert found is not None
    assert (found.url, str(found.token_file), str(found.ca_file)) == ("http://l:9903", "t", "ca")
    assert parse_settings(["--namespace=ai"]).ledger is None


@pytest.mark.parametrize(
    ("flag", "message"),
    [("--ledger=ledger:9903", "must be a URL"), ("--ledger-ca-file=ca", "need")],
)
def test_a_ledger_that_cannot_be_reached_is_refused(
    flag: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start, and not at the first event."""
    with pytest.raises(SystemExit, match="2"):
        parse_settings(["--namespace=ai", flag])
    assert message in capsys.readouterr().err


def test_one_rollout_at_a_time_goes_to_a_backend(capsys: pytest.CaptureFixture[str]) -> None:
    """More where somebody says so; none is no bound but the end of rollouts."""
    assert parse_settings(["--namespace=ai"]).rollouts_per_backend == 1
    more = parse_settings(["--namespace=ai", "--rollouts-per-backend=3"])
    assert more.rollouts_per_backend == 3
    for value in ("0", "-1", "many", ""):
        with pytest.raises(SystemExit, match="2"):
            parse_settings(["--namespace=ai", f"--rollouts-per-backend={value}"])
        assert "must be a number of 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http", "9.5"])
@pytest.mark.parametrize("flag", ["router-admin-port", "health-port", "keda-port"])
def test_a_port_that_cannot_be_is_refused(
    flag: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its flag, and not where it is bound."""
    with pytest.raises(SystemExit, match="2"):
        parse_settings(["--namespace=ai", f"--{flag}={port}"])
    assert "ports are numbers from 0 to 65535" in capsys.readouterr().err
