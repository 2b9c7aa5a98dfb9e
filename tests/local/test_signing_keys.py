"""Keys of webhooks in local mode: just those that policies name, where the ledger reads them."""

from pathlib import Path

from pointsman.ledger.reviewing.webhooks import key_of
from pointsman.local.ledger import LocalLedger
from pointsman.local.signing_keys import SigningKeys, named_keys
from tests.support.full_disk import full_disk

SECRETS = {"hooks": {"desk": b"a signing key of the desk", "other": b"somebody else's key"}}


def test_only_what_a_policy_names_is_handed_on() -> None:
    """A Secret that is missing, and a policy without reviews, give nothing."""

    def named(secret: str) -> dict[str, object]:
        ref = {"name": secret, "key": "desk"}
        return {"humanReview": {"webhooks": [{"url": "https://a.example/", "secretRef": ref}]}}

    specs: list[dict[str, object]] = [
        {},
        {"humanReview": {"deadline": "10m"}},
        named("hooks"),
        named("none"),
    ]
    assert named_keys(specs, SECRETS) == {"hooks.desk": b"a signing key of the desk"}


def test_the_ledger_reads_what_is_kept(tmp_path: Path) -> None:
    """Changed ones too; those of before are gone; nobody else may read them."""
    keys = SigningKeys(tmp_path / "keys")
    keys.keep({"hooks.desk": b"a signing key of the desk", "hooks.old": b"an old signing key"})
    assert key_of(keys.folder, "hooks.desk") == b"a signing key of the desk"
    keys.keep({"hooks.desk": b"another key of the desk"})
    assert key_of(keys.folder, "hooks.desk") == b"another key of the desk"
    assert [file.name for file in keys.folder.iterdir()] == ["hooks.desk"]
    assert keys.folder.stat().st_mode & 0o077 == 0
    assert (keys.folder / "hooks.desk").stat().st_mode & 0o077 == 0


def test_a_full_disk_costs_keys_and_no_session(tmp_path: Path) -> None:
    """It is told, and tried again with the next round."""
    ledger = LocalLedger(tmp_path / "ledger.db", tmp_path, lambda: None)
    with full_disk(4):
        ledger.sign_with({"hooks.desk": b"a signing key of the desk"})
    assert ledger.told()["webhook keys"] == "cannot be kept: File too large"
    ledger.sign_with({"hooks.desk": b"a signing key of the desk"})
    assert "webhook keys" not in ledger.told()
    assert key_of(ledger.keys.folder, "hooks.desk") == b"a signing key of the desk"
