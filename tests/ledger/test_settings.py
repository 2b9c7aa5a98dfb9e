"""Flags and environment of the ledger: what means nothing is named and refused."""

from pathlib import Path

import pytest

from pointsman.ledger.settings import parse
from pointsman.process.address import Address


def test_defaults() -> None:
    """A file is all it needs, on loopback."""
    found = parse(["--db", "x.db"], {})
    assert (found.db, found.listen, found.token_file) == (
        Path("x.db"), Address("127.0.0.1", 9903), None,
    )  # fmt: skip
    assert (found.keep_events_days, found.keep_rollups_days) == (30, 400)


def test_flags_come_before_the_environment() -> None:
    """Each flag has a variable."""
    environment = {
        "POINTSMAN_LEDGER_DB": "env.db",
        "POINTSMAN_LEDGER_KEEP_EVENTS_DAYS": "7",
        "POINTSMAN_LEDGER_LISTEN": "0.0.0.0:1",
        "POINTSMAN_LEDGER_TOKEN_FILE": "t",
    }
    found = parse(["--keep-events-days", "8"], environment)
    assert (found.db, found.keep_events_days) == (Path("env.db"), 8)
    assert found.listen == Address("0.0.0.0", 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--db"),
        (["--db=x", "--postgres=host=y"], "--postgres"),
        (["--db=x", "--listen=0.0.0.0:9903"], "--token-file"),
        (["--db=x", "--listen=9903"], "--listen"),
        (["--db=x", "--listen=[::]:99999"], "--listen"),
        (["--db=x", "--keep-events-days=0"], "--keep-events-days"),
        (["--db=x", "--keep-events-days=nan"], "--keep-events-days"),
        (["--db=x", "--keep-events-days=50", "--keep-rollups-days=40"], "--keep-rollups-days"),
        (["--db=x", "--pending-hours=inf"], "--pending-hours"),
        (["--db=x", "--max-body-mib=-1"], "--max-body-mib"),
        (["--db=x", "--concurrent=0"], "--concurrent"),
        (["--db=x", "--db-max-gib=-1"], "--db-max-gib"),
        (["--db=x", "--store-timeout-seconds=x"], "--store-timeout-seconds"),
        (["--db=x", "--log-level=loud"], "--log-level"),
        (["--db=x", "--migrate-to=two"], "--migrate-to"),
        (["--db=x", "--d=y"], "--d"),
    ],
)
def test_what_means_nothing_is_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    assert ended.value.code == 2
    assert named in capsys.readouterr().err.splitlines()[-1]
