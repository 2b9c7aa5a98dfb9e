"""`pointsman adopt` against a kubectl of one policy, as a user types it."""

import copy
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.manifests import load_text
from pointsman.cli.__main__ import main
from pointsman.cli.adopt.merging import CannotMerge, merged
from pointsman.operator.plan.reevaluating.moving import Move, effective
from pointsman.operator.plan.revisions import revision_name

KUBECTL = r"""#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
*controllerrevisions*desk-2*) cat revision.json ;;
*routingpolicies*desk*) cat policy.json ;;
*) echo "Error from server (NotFound): not found" >&2; exit 1 ;;
esac
"""
FILE = """\
# The desk.
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
# Which model answers what.
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata:
  name: desk   # ours
spec:
  modelNames: [auto]
  rules:
    - name: code
      match: {task: [Coding]}
      targets:
        # the best one of last spring
        - backendRef:
            name: a
          weight: 3
        - backendRef: {name: c}   # on trial
      fallback:
        chain: [{name: b}]   # never empty
      # no more to say
  default:
    targets: [{backendRef: {name: c}}]
  drift:
    onDetected: Reevaluate
"""
MOVES = {"code": (Move("a", "b", "Worse"),)}


def spec_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = list(yaml.safe_load_all(text))[-1]["spec"]
    return found


class World:
    """What kubectl answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.file = folder / "policy.yaml"
        self.file.write_text(FILE)
        self.learned = effective(spec_of(FILE), MOVES, 100)
        self.answers({"learned": {
            "revision": "desk-2", "cause": "Drifted", "time": "2026-11-26T10:00:00Z",
            "diff": ["code: a 75 -> 0 %, b 0 -> 75 %"], "reasons": ["code: a to b: a is worse"],
        }})  # fmt: skip

    def answers(self, status: dict[str, Any], *, seen: int = 2) -> None:
        about = {
            "name": "desk", "uid": "u", "generation": 2, "resourceVersion": "7",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "x"},
        }  # fmt: skip
        whole = {"observedGeneration": seen, "activeRevision": "desk-2", **status}
        spec = json.loads(json.dumps(spec_of(FILE), sort_keys=True))
        item = {"metadata": about, "spec": spec, "status": whole}
        (self.folder / "policy.json").write_text(json.dumps(item))
        (self.folder / "revision.json").write_text(json.dumps({"data": self.learned}))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return made


def test_the_file_comes_back_with_its_comments(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only targets and chain of the rule that was learned differ; why stands above the policy."""
    assert main(["adopt", "desk", "-f", str(world.file), "-n", "ai"]) == 0
    found = capsys.readouterr().out

    assert spec_of(found) == world.learned
    for line in FILE.splitlines():
        _, mark, comment = line.partition("#")
        assert f"{mark}{comment}" in found
    before, after = FILE.splitlines(), found.splitlines()
    assert [line for line in after if line.startswith("# ")][2:] == [
        "# Learned: desk-2 (Drifted, 2026-11-26T10:00:00Z)",
        "#   code: a 75 -> 0 %, b 0 -> 75 %",
        "#   code: a to b: a is worse",
    ]
    assert after[:6] == before[:6]
    assert after[-5:] == before[-5:]
    begin = after.index("        # the best one of last spring")
    assert after[begin + 1 : begin + 7] == [
        "        - backendRef:",
        "            name: a",
        "          weight: 0",
        "        - backendRef: {name: c}   # on trial",
        "        - backendRef: {name: b}",
        "          weight: 3",
    ]
    assert "        chain: [{name: b}, {name: a}]   # never empty" in after


def test_what_is_printed_is_the_revision_that_runs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Applying it changes nothing: its revision has the same name."""
    assert main(["adopt", "desk", "-f", str(world.file)]) == 0
    spec = spec_of(capsys.readouterr().out)

    assert revision_name("desk", spec) == revision_name("desk", world.learned)


def test_without_a_file_it_prints_what_the_cluster_has(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the kind's fields, without what kubectl adds."""
    assert main(["adopt", "desk"]) == 0
    found = capsys.readouterr().out

    assert found.startswith("# Learned: desk-2")
    assert load_text(found).problems == ()
    whole = yaml.safe_load(found)
    assert list(whole) == ["apiVersion", "kind", "metadata", "spec"]
    assert list(whole["spec"]) == ["modelNames", "rules", "default", "drift"]
    assert whole["metadata"] == {"name": "desk", "annotations": {"team": "x"}}
    assert whole["spec"] == world.learned


@pytest.mark.parametrize(
    ("status", "seen", "said"),
    [
        ({}, 2, "nothing was learned, desk runs as its spec says"),
        ({"learned": {"message": "desk-2 was refused"}}, 2, "desk-2 was refused"),
        ({"learned": {"revision": "desk-3"}}, 2, "desk-3 is not in force yet"),
        ({"learned": {"revision": "desk-2"}}, 1, "has not seen the edit yet"),
    ],
)
def test_where_there_is_nothing_it_says_so(
    world: World, capsys: pytest.CaptureFixture[str], status: dict[str, Any], seen: int, said: str
) -> None:
    """3, and nothing on standard output."""
    world.answers(status, seen=seen)

    assert main(["adopt", "desk"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("weight: 3", "weight: 4"), "targets of code are not those"),
        (lambda text: text.replace("name: desk ", "name: other "), "no RoutingPolicy desk in it"),
        (lambda text: text.replace("name: code", "name: coding"), "has no rule code"),
        (lambda text: text + ": :\n- [", "it is no YAML"),
        (lambda text: text.replace("      fallback:\n        chain: [{name: b}]", "      x: "),
         "has no fallback"),
    ],
)  # fmt: skip
def test_a_file_that_says_something_else_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    """1: who merged it anyway would undo what somebody has changed."""
    world.file.write_text(change(FILE))

    assert main(["adopt", "desk", "-f", str(world.file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_an_alias_is_refused() -> None:
    """A change there would be one elsewhere."""
    text = FILE.replace("    targets: [{backendRef: {name: c}}]", "    targets: *them").replace(
        "      targets:\n", "      targets: &them\n"
    )
    declared = spec_of(text)
    learned = copy.deepcopy(declared)
    learned["default"]["targets"] = [{"backendRef": {"name": "c"}, "weight": 2}]

    with pytest.raises(CannotMerge, match="alias"):
        merged(text, "desk", declared, learned, ())


@pytest.mark.parametrize("other", ["made: 2020-13-45", "made: !Ref it", "made: {[1]: 2}"])
def test_other_documents_may_hold_anything(
    world: World, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    """Dates that are none, and tags of other programs: they stay as they are."""
    world.file.write_text(f"{other}\n---\n{FILE}")

    assert main(["adopt", "desk", "-f", str(world.file)]) == 0
    assert capsys.readouterr().out.startswith(f"{other}\n---\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "said"), [(b"[" * 5000, "no YAML"), (b"# ours\n\xff\n", "not UTF-8")]
)
def test_a_file_that_is_no_manifest_is_told_by_its_name(
    world: World, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    """One line, and 1."""
    world.file.write_bytes(data)

    assert main(["adopt", "desk", "-f", str(world.file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pointsman adopt: {world.file}: ")
    assert said in err


def test_errors_of_kubectl_are_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """And a file that is not there."""
    assert main(["adopt", "other"]) == 1
    assert "NotFound" in capsys.readouterr().err
    assert main(["adopt", "desk", "-f", str(world.folder / "none.yaml")]) == 1
    assert "none.yaml" in capsys.readouterr().err


@given(
    weights=st.lists(st.integers(0, 9), min_size=2, max_size=3).filter(any),
    flow=st.booleans(), style=st.sampled_from((None, True, False)), indent=st.integers(1, 6),
    percent=st.integers(1, 100),
)  # fmt: skip
def test_however_it_is_written_it_says_what_was_learned(
    weights: list[int], *, flow: bool, style: bool | None, indent: int, percent: int
) -> None:
    """Blocks, flows and all that a dumper makes."""
    names = "abc"[: len(weights)]
    targets = [
        {"backendRef": {"name": n}, "weight": w} for n, w in zip(names, weights, strict=True)
    ]
    spec = {
        "modelNames": ["auto"],
        "default": {"targets": targets, "fallback": {"chain": [{"name": "no"}, {"name": "1e3"}]}},
    }
    whole = {"kind": "RoutingPolicy", "metadata": {"name": "desk"}, "spec": spec}
    text = yaml.safe_dump(
        whole, default_flow_style=True if flow else style, indent=indent, sort_keys=False
    )
    donor = names[weights.index(max(weights))]
    learned = effective(spec, {"default": (Move(donor, "1e3", "Worse"),)}, percent)
    found = merged(text, "desk", spec, learned, ["why: because"])

    assert yaml.safe_load(found)["spec"] == learned
