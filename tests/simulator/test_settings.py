"""What the flags mean and which are refused."""

from __future__ import annotations

import pytest

from pointsman.simulator.settings import TASKS, Settings, parse, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("200ms", 0.2), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("0.5ms", 0.0005)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    """Seconds come out, whatever unit goes in."""
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1d", "1e3s", "nan", "1s2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit is the mistake people make most."""
    with pytest.raises(ValueError, match="no duration"):
        parse_duration_s(text)


def test_flags_become_settings() -> None:
    """Every kind of flag arrives with its type."""
    flags = (
        "--model m --ttft 1s --tokens-per-second 10 --quality Chat=0.5 --quality Coding=1"
        " --control --port 0 --drain 3s --load-time 2m --time-scale 60 --seed 7"
    )
    settings = parse(flags.split())
    assert settings == Settings(
        model="m", ttft_s=1, tokens_per_second=10, quality={"Chat": 0.5, "Coding": 1.0},
        control=True, port=0, drain_s=3, load_time_s=120, time_scale=60, seed=7,
    )  # fmt: skip


@pytest.mark.parametrize(
    "flags",
    [
        "", "--model", "--model m --ttft 5", "--model m --quality Chat", "--model m --quality X=1",
        "--model m --quality Chat=1.5", "--model m --quality Chat=x", "--model m --error-rate 2",
        "--model m --max-concurrency 0", "--model m --time-scale 0", "--model m --port 70000",
        "--model m --tls-cert c.pem", "--model m --tokens-per-second -1", "--model= ",
        "--model m --tokens-per-second nan", "--model m --max-queue -1", "--model m --unknown",
    ],
)  # fmt: skip
def test_flags_without_meaning_end_with_status_2(
    flags: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the flag; nothing is a traceback."""
    with pytest.raises(SystemExit) as ended:
        parse(flags.split())
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err


def test_the_api_key_is_not_in_the_representation() -> None:
    """Settings may be logged; keys may not."""
    assert "secret" not in repr(Settings(model="m", api_key="secret"))


def test_the_fingerprint_follows_what_the_model_knows() -> None:
    """Quality, model and seed change it; speed does not."""
    base = Settings(model="m")
    assert base.fingerprint() == Settings(model="m", ttft_s=9).fingerprint()
    others = [Settings(model="n"), Settings(model="m", seed=1),
              Settings(model="m", quality={"Chat": 0.7})]  # fmt: skip
    assert len({s.fingerprint() for s in [base, *others]}) == 4


def test_the_tasks_are_those_of_the_api() -> None:
    """The simulator repeats them, so that its start stays light; they may not drift apart."""
    api = pytest.importorskip("pointsman.api.tasks")
    assert tuple(task.value for task in api.Task) == TASKS
