"""`pointsman rollout` against a kubectl of one policy, as a user types it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.__main__ import main

KUBECTL = r"""#!/bin/sh
cd "$(dirname "$0")"
for word; do printf '%s\1' "$word"; done >> calls
printf '\n' >> calls
case "$*" in
*whoami*) printf ada ;;
*get*controllerrevisions*) cat revisions.json ;;
*get*)
  set -- policy-*.json
  cat "$1"
  [ $# -gt 1 ] && rm "$1"
  ;;
esac
exit 0
"""


SPEC = {"modelNames": ["desk-1"]}
"""Of the first revision."""


class World:
    """What kubectl answers, one policy after the other, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def answers(self, *policies: dict[str, Any]) -> None:
        for number, item in enumerate(policies):
            (self.folder / f"policy-{number}.json").write_text(json.dumps(item))

    def revisions(self, *names: str) -> None:
        owner = [{"uid": "u", "controller": True}]
        items = [
            {
                "metadata": {"name": name, "ownerReferences": owner},
                "revision": number,
                "data": {"modelNames": [name]},
            }
            for number, name in enumerate(names, 1)
        ]
        (self.folder / "revisions.json").write_text(json.dumps({"items": items}))

    @property
    def writes(self) -> list[list[str]]:
        lines = (self.folder / "calls").read_text().splitlines()
        calls = [line.split("\1")[:-1] for line in lines]
        return [one for one in calls if not {"get", "auth", "config"} & {*one}]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return made


def desk(phase: str = "", *, active: str = "desk-1", seen: int = 2, **more: Any) -> dict[str, Any]:
    """`desk-2` beside `desk-1`."""
    status: dict[str, Any] = {"observedGeneration": seen, "activeRevision": active}
    if phase:
        said = {"phase": phase, "revision": "desk-2", "step": 1, "message": f"it is {phase}"}
        status["rollout"] = said | more
    about = {"name": "desk", "uid": "u", "generation": 2, "resourceVersion": "7"}
    return {"metadata": about, "status": status}


@pytest.mark.parametrize(
    ("policies", "code"),
    [
        ([desk("Progressing"), desk("Promoted", active="desk-2")], 0),
        ([desk("Promoted", seen=1), desk("Progressing"), desk("Aborted")], 1),
    ],
)
def test_status_waits_for_the_end(
    world: World, capsys: pytest.CaptureFixture[str], policies: list[dict[str, Any]], code: int
) -> None:
    """What stands in the status of an older edit is not its end."""
    world.answers(*policies)

    assert main(["rollout", "status", "desk", "-n", "ai"]) == code
    assert "it is Progressing" in capsys.readouterr().out


def test_status_looks_once_and_says_that_it_goes_on(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """3: neither promoted nor rolled back; JSON has the whole of it."""
    world.answers(desk("Progressing"))

    assert main(["rollout", "status", "desk", "--timeout", "0s", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["rollout"]["step"] == 1


def test_status_tells_what_a_shadow_has_found(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as there is something."""
    shadow = {"verdict": "Comparing", "pairs": 40, "equal": 9, "unjudged": 2, "spent": "1.25 USD"}
    world.answers(desk("Progressing", shadow=shadow))
    main(["rollout", "status", "desk", "--timeout", "0s"])
    said = capsys.readouterr().out
    world.answers(desk("Progressing", shadow={"verdict": "Passed", "pairs": 100}))
    main(["rollout", "status", "desk", "--timeout", "0s"])

    assert (
        "Shadow: Comparing, 40 pairs, of them 9 with the same choice, 2 not judged, 1.25 USD spent"
    ) in said
    assert "Shadow: Passed, 100 pairs\n" in capsys.readouterr().out


def test_without_a_rollout_there_is_nothing_to_say(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """2, as for a wrong name of a command."""
    world.answers(desk())

    assert main(["rollout", "status", "desk"]) == 2
    assert "has no rollout: revision desk-1 is in force" in capsys.readouterr().err


def test_an_approval_names_revision_step_and_person(world: World) -> None:
    """Who it is says the API server."""
    world.answers(desk("AwaitingApproval"), desk("Promoted", active="desk-2"))

    assert main(["rollout", "approve", "desk"]) == 0
    (annotate,) = world.writes
    name, _, value = annotate[-1].partition("=")
    said = json.loads(value)
    assert name == "pointsman.dev/rollout-approve"
    assert (said["revision"], said["step"], said["approver"]) == ("desk-2", 1, "ada")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["approve", "desk", "--revision", "desk-0"], "stale: the candidate is desk-2"),
        (["approve", "desk", "--step", "0"], "stale: the rollout is in step 1"),
        (["retry", "desk"], "only what was rolled back"),
    ],
)
def test_a_stale_order_is_not_given(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    """1, and the reason."""
    world.answers(desk("AwaitingApproval"))

    assert main(["rollout", *arguments]) == 1
    assert why in capsys.readouterr().err
    assert world.writes == []


@pytest.mark.parametrize(
    ("action", "before", "after", "annotation"),
    [
        ("pause", "Progressing", "Paused", "pointsman.dev/rollout-paused=true"),
        ("resume", "Paused", "Progressing", "pointsman.dev/rollout-paused-"),
        ("abort", "Progressing", "Aborted", "pointsman.dev/rollout-abort=desk-2 "),
        ("promote", "Paused", "Promoted", "pointsman.dev/rollout-promote=desk-2 "),
        ("retry", "Aborted", "Progressing", "pointsman.dev/rollout-retry=desk-2 "),
    ],
)
def test_an_order_is_an_annotation_and_is_waited_for(
    world: World, action: str, before: str, after: str, annotation: str
) -> None:
    """A time behind the revision makes the same order a new one."""
    world.answers(desk(before), desk(before), desk(after))

    assert main(["rollout", action, "desk"]) == 0
    (annotate,) = world.writes
    assert annotate[-1].startswith(annotation)


def test_an_order_that_is_not_obeyed_in_time(world: World) -> None:
    """3."""
    world.answers(desk("Progressing"))

    assert main(["rollout", "pause", "desk", "--timeout", "1ms"]) == 3


def test_undo_puts_the_previous_spec_back(world: World) -> None:
    """In the middle of a rollout that is the stable one's; under the lock of what was read."""
    world.revisions("desk-0", "desk-1", "desk-2")
    world.answers(desk("Progressing"), desk(active="desk-1"))

    assert main(["rollout", "undo", "desk"]) == 0
    (patch,) = world.writes
    test, replace = json.loads(patch[-1].removeprefix("--patch="))
    assert test["value"] == "7"
    assert replace["value"] == {"modelNames": ["desk-1"]}


def test_undo_of_what_was_learned_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no edit to take back; it says what ends it."""
    world.revisions("desk-1", "desk-2")
    world.answers({**desk("Promoted", active="desk-2", stable="desk-1"), "spec": SPEC})

    assert main(["rollout", "undo", "desk"]) == 1
    assert "the spec is desk-1 already" in capsys.readouterr().err
    assert world.writes == []


def test_undo_of_what_was_promoted_goes_one_back(world: World) -> None:
    """Not to one that was rolled back; or to the one that is named."""
    world.revisions("desk-0", "desk-1", "desk-bad", "desk-2")
    world.answers(desk("Promoted", active="desk-2", stable="desk-1"), desk(active="desk-1"))
    assert main(["rollout", "undo", "desk"]) == 0
    world.answers(desk("Promoted", active="desk-2"), desk(active="desk-0"))
    assert main(["rollout", "undo", "desk", "--to-revision", "desk-0"]) == 0

    put_back = [json.loads(p[-1].removeprefix("--patch="))[1]["value"] for p in world.writes]
    assert put_back == [{"modelNames": ["desk-1"]}, {"modelNames": ["desk-0"]}]


def test_without_kubectl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line."""
    monkeypatch.setenv("PATH", "/nowhere")

    assert main(["rollout", "status", "desk"]) == 1
    assert "no kubectl on the PATH" in capsys.readouterr().err


def test_a_kubectl_without_a_cluster_says_so(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks localhost:8080 then, where `pointsman up` may answer it 404; not so in a pod."""
    script = "case $* in *view*) echo '{}' ;; *) echo NotFound >&2; exit 1 ;; esac\n"
    (world.folder / "kubectl").write_text(f"#!/bin/sh\n{script}")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["rollout", "status", "desk"]) == 1
    assert "kubectl knows no cluster" in capsys.readouterr().err
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert main(["rollout", "status", "desk"]) == 1
    assert capsys.readouterr().err == "pointsman rollout: NotFound\n"


def test_a_kubectl_that_cannot_be_started_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another machine, or half of a download."""
    (world.folder / "kubectl").write_bytes(b"\x7fELF half of it")
    assert main(["rollout", "status", "desk"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"pointsman rollout: {world.folder}/kubectl cannot be started: ")
    assert told.count("\n") == 1


def test_what_kubectl_says_need_not_be_utf_8(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its plugins speak the language of the machine."""
    (world.folder / "kubectl").write_text("#!/bin/sh\nprintf 'verf\\344llt\\n' >&2; exit 1\n")
    assert main(["rollout", "status", "desk"]) == 1
    assert capsys.readouterr().err == "pointsman rollout: verf\ufffdllt\n"


def test_who_approves_has_a_name(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container runs with any user id; then the flag says who it is."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    program = world.folder / "kubectl"
    program.write_text(KUBECTL.replace("printf ada", "exit 1"))
    world.answers(desk("AwaitingApproval"))

    assert main(["rollout", "approve", "desk"]) == 1
    assert "say it with --approver" in capsys.readouterr().err
    assert world.writes == []
