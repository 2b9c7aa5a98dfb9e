"""`pointsman import litellm --check`: who would answer there and here, and why it differs."""

import json
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.migration.commands import samples
from pointsman.cli.migration.comparing import Comparison, Judge, Verdict
from pointsman.cli.migration.conversion import Imported
from pointsman.cli.policies import compiled_of
from tests.cli.migration.configs import EXAMPLE, entry, made_of, text_of
from tests.cli.traffic import body, write

Capture = pytest.CaptureFixture[str]
FOLDER = EXAMPLE.parent


def compared(made: Imported) -> Comparison:
    """Over its samples."""
    judge, found = Judge(made, compiled_of(made.loaded())), Comparison()
    for seen in samples(made):
        found.add(judge.judge(seen))
    return found


def only(found: Comparison) -> Verdict:
    """The one difference."""
    (verdict,) = found.differences
    return verdict


def test_weights_orders_and_fallbacks_agree() -> None:
    """Nothing differs where everything was taken over."""
    made = made_of(
        [
            entry("a", id="a1", weight=0.7), entry("a", id="a2", weight=0.3),
            entry("a", id="a3", order=2), entry("b"),
        ],
        router_settings={"fallbacks": [{"a": ["b"]}], "model_group_alias": {"x": "a"}},
    )  # fmt: skip
    found = compared(made)
    assert not found.differences
    assert {name: counts["same"] for name, counts in found.by_group.items()} == {
        "a": 2, "b": 2, "x": 2,
    }  # fmt: skip


def test_a_refused_model_explains_the_difference() -> None:
    """The comment of the policy tells it."""
    found = compared(made_of([entry("a", id="here"), entry("a", "bedrock/x")]))
    assert only(found).reasons == ("model_list[1] could not be imported",)
    assert (only(found).theirs, only(found).ours) == ("here 50%, model_list[1] 50%", "here")
    assert found.unexplained == 0


def test_a_window_that_is_kept_explains_the_difference() -> None:
    """LiteLLM would be refused by the model first."""
    made = made_of(
        [entry("a", max_input_tokens=500), entry("b")],
        router_settings={"context_window_fallbacks": [{"a": ["b"]}]},
    )
    verdict = only(compared(made))
    assert (verdict.theirs, verdict.ours, verdict.explained) == ("a", "b", True)
    assert "do not fit its context window of 500" in verdict.reasons[0]


def test_the_share_of_who_cannot_goes_to_the_others() -> None:
    """As the router draws: of those of a group that fit, by their weights."""
    some = [entry("a", id="s", max_input_tokens=500, weight=2), entry("a", id="l", weight=1)]
    found = compared(made_of([*some, entry("a", id="m", weight=1)]))
    assert {one.ours for one in found.differences} == {"l 50%, m 50%"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two models for one name, and one that it falls back to."""
    models = [entry("a", id="a1", weight=3), entry("a", id="a2", weight=1), entry("b")]
    path = tmp_path / "config.yaml"
    path.write_text(text_of(models, router_settings={"fallbacks": [{"a": ["b"]}]}))
    return path


def edited(config: Path, old: str, new: str) -> list[str]:
    """The arguments that compare with an edit of what was imported."""
    folder = config.parent / "ours"
    assert main(["import", "litellm", str(config), "-o", str(folder)]) == 0
    policies = folder / "policies.yaml"
    assert old in policies.read_text()
    policies.write_text(policies.read_text().replace(old, new))
    return ["import", "litellm", str(config), "--check", "-f", str(folder)]


def test_an_edit_that_changes_nothing_agrees(config: Path, capsys: Capture) -> None:
    """Twice the weights are the same shares."""
    assert main(edited(config, "weight: 3}", "weight: 3}  # as before")) == 0
    assert "DIFFERENT:" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight: 3", "weight: 1", "a1 gets 75% there, 50% here"),
        ("weight: 1", "weight: 0", "a2 is asked there, not here"),
        ("        - {name: b}\n", "", "then a, b there, a here"),
        ("modelNames: [b]", "modelNames: [c]", "no policy answers to it here"),
    ],
)
def test_an_edit_that_decides_otherwise_is_a_difference(
    config: Path, capsys: Capture, old: str, new: str, said: str
) -> None:
    """Exit status 1, and the reason."""
    assert main(edited(config, old, new)) == 1
    assert said in capsys.readouterr().out


def test_traffic_of_a_file(config: Path, tmp_path: Path, capsys: Capture) -> None:
    """Counted by the model that was asked for; bad lines are named."""
    traffic = write(tmp_path / "t.jsonl", [body("hello", model="a")] * 3 + ["{"])
    assert main(["import", "litellm", str(config), "--check", str(traffic)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].split() == ["a", "3", "3", "0", "0"]
    assert "t.jsonl:4: not JSON" in told.err


def test_traffic_with_tags_in_headers(tmp_path: Path, capsys: Capture) -> None:
    """One tag is matched; two at once are a difference that a comment explains."""
    models = [entry("m", id="free", tags=["free"]), entry("m", id="paid", tags=["paid"])]
    config = tmp_path / "config.yaml"
    config.write_text(text_of(models, router_settings={"enable_tag_filtering": True}))
    lines = [
        {"request": body("hello", model="m"), "headers": {"x-litellm-tags": tags}}
        for tags in ("free", "paid", "free,paid")
    ]
    traffic = write(tmp_path / "t.jsonl", lines)
    assert main(["import", "litellm", str(config), "--check", str(traffic)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["m", "3", "3", "0", "0"]


def test_no_request_is_not_agreement(config: Path, tmp_path: Path, capsys: Capture) -> None:
    """Nothing was compared: exit status 1."""
    empty = write(tmp_path / "t.jsonl", [])
    assert main(["import", "litellm", str(config), "--check", str(empty)]) == 1
    assert "no request in" in capsys.readouterr().err


def test_files_are_written_once(config: Path, tmp_path: Path, capsys: Capture) -> None:
    """What is there is not replaced without --force."""
    folder = tmp_path / "made"
    arguments = ["import", "litellm", str(config), "-o", str(folder)]
    assert main(arguments) == 0
    (folder / "policies.yaml").write_text("mine")
    assert main(arguments) == 1
    assert "is there already" in capsys.readouterr().err
    assert (folder / "policies.yaml").read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "backends.yaml", "policies.yaml", "secrets.yaml",
    ]  # fmt: skip
    assert main(["check", str(folder)]) == 0


def test_stdout_passes_check(tmp_path: Path, capsys: Capture) -> None:
    """As it stands; the values of Secrets that are missing are warned of."""
    assert main(["import", "litellm", str(EXAMPLE)]) == 0
    made = tmp_path / "made.yaml"
    made.write_text(capsys.readouterr().out)
    assert main(["check", str(made)]) == 0
    told = capsys.readouterr()
    assert told.out == "5 ModelBackends and 4 RoutingPolicies are valid\n"
    assert "has no value in these files" in told.err


def test_strict_refuses_what_is_unknown(capsys: Capture) -> None:
    """The example has a key that is misspelled and a model that cannot be asked."""
    assert main(["import", "litellm", str(EXAMPLE), "--strict"]) == 1
    assert "unknown key (did you mean database_url?)" in capsys.readouterr().err


def test_nothing_to_import(tmp_path: Path, capsys: Capture) -> None:
    """Comments alone, and exit status 1."""
    config = tmp_path / "config.yaml"
    config.write_text(text_of([entry("a", "bedrock/x")]))
    assert main(["import", "litellm", str(config)]) == 1
    told = capsys.readouterr()
    assert "none of its models could be imported" in told.err
    assert all(line.startswith("#") for line in told.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (["config.yaml", "--check", "-o", "x"], "leave out -o", 2),
        (["config.yaml", "-f", "x"], "-f is of --check", 2),
        (["config.yaml", "--force"], "--force is of -o", 2),
        (["ghost.yaml"], "ghost.yaml: No such file", 1),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str, status: int, capsys: Capture) -> None:
    """In one line."""
    assert main(["import", "litellm", *arguments]) == status
    assert said in capsys.readouterr().err


def test_a_broken_file_is_told(tmp_path: Path, capsys: Capture) -> None:
    """With its name; what is not UTF-8, not YAML, no config."""
    path = tmp_path / "config.yaml"
    for data, said in (
        (b"\n\xff", "line 2: not UTF-8"),
        (b"a: [", "no YAML"),
        (b"{}", "model_list"),
    ):
        path.write_bytes(data)
        assert main(["import", "litellm", str(path)]) == 1
        assert "config.yaml: " in (told := capsys.readouterr().err)
        assert said in told


def test_the_example_agrees_with_its_traffic() -> None:
    """Of the page; five of six requests, and the sixth is explained."""
    lines = (FOLDER / "traffic.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 6
    arguments = ["import", "litellm", str(EXAMPLE), "--check", str(FOLDER / "traffic.jsonl")]
    assert main(arguments) == 0
