"""What a backend calls itself."""

from pointsman.evaluation.drift.identity import Identity, Renamed, known, renamed


def test_another_name_is_a_change() -> None:
    """Each field by itself, with both values."""
    before = Identity("gpt-4o-2024-05-13", "fp_1", "sha256:a")
    after = Identity("gpt-4o-2024-08-06", "fp_1", "sha256:b")

    assert renamed(before, before) == ()
    assert renamed(before, after) == (
        Renamed("model", "gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        Renamed("digest", "sha256:a", "sha256:b"),
    )


def test_silence_is_no_change() -> None:
    """Many providers give no fingerprint, some only now and then; the last one is remembered."""
    first = Identity("m", "fp_1")
    silent = Identity("m", "")

    assert renamed(first, silent) == renamed(silent, first) == ()
    assert renamed(known(first, silent), Identity("m", "fp_2")) == (
        Renamed("fingerprint", "fp_1", "fp_2"),
    )
