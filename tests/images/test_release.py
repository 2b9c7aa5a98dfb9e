"""The scripts of the release workflow, run as GitHub runs them, with commands that only write down
what they are told.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.images.build import LIMIT_MB, ROOT

FILE = ROOT / ".github" / "workflows" / "release.yml"
FLOW: dict[str, Any] = yaml.safe_load(FILE.read_text())
DIGEST = f"sha256:{'1f' * 32}"
STUB = """\
#!/bin/bash
echo "$(basename "$0") $*" >> "${SAID}"
if [[ -n "${FAILS}" && "$(basename "$0") $*" == "${FAILS}"* ]]; then exit 1; fi
case "$(basename "$0") ${1:-} ${2:-}" in
  "helm push "*) echo "Digest: %s" ;;
  "docker create "*) echo container ;;
  "docker buildx imagetools") echo '"%s"' ;;
  "docker export "*) tar -c --sparse -C exported . ;;
  "jq -r "*) echo "%s" ;;
esac
"""


def step(job: str, name: str) -> dict[str, Any]:
    """One step with a script."""
    (found,) = (one for one in FLOW["jobs"][job]["steps"] if one.get("name") == name)
    return dict(found)


def play(
    folder: Path, job: str, name: str, *, fails: str = "", **more: str
) -> tuple[int, list[str]]:
    """Exit status of a step's script, and what its commands were told."""
    shell = FLOW.get("defaults", {}).get("run", {}).get("shell")
    command = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], None: ["bash", "-e"]}
    stubs = folder / "stubs"
    stubs.mkdir()
    for each in ("docker", "helm", "cosign", "jq", "python3"):
        (stubs / each).write_text(STUB.replace("%s", DIGEST))
        (stubs / each).chmod(0o755)
    (folder / "exported").mkdir(exist_ok=True)
    said = folder / "said"
    said.touch()
    environment = {
        "PATH": f"{stubs}:{os.environ['PATH']}", "SAID": str(said), "FAILS": fails,
        "REGISTRY": FLOW["env"]["REGISTRY"], "OWNER": "Example-Org", "VERSION": "v1.2.3",
        "GITHUB_REPOSITORY": "Example-Org/pointsman", "GITHUB_SHA": "0" * 40,
        "GITHUB_OUTPUT": str(folder / "output"), "DEBIAN": "debian:trixie-slim",
        "IMAGE": "router", "PROCESSOR": "amd64",
    } | more  # fmt: skip
    script = folder / "script"
    script.write_text(step(job, name)["run"])
    done = subprocess.run(
        [*command[shell], str(script)], cwd=folder, env=environment, check=False, timeout=60,
        capture_output=True,
    )  # fmt: skip
    return done.returncode, said.read_text().splitlines()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A checkout's charts, and what the job `image` left."""
    shutil.copytree(ROOT / "charts", tmp_path / "charts")
    (tmp_path / "made").mkdir()
    for processor in ("amd64", "arm64"):
        (tmp_path / "made" / f"router.{processor}.digest").write_text(DIGEST)
    return tmp_path


SCRIPTS = [
    ("image", "Build and push by digest"),
    ("image", "Bill of materials and licenses"),
    ("sign", "One name for both processors"),
    ("charts", "Package, push, sign"),
]


@pytest.mark.parametrize(("job", "name"), SCRIPTS)
def test_what_is_pushed_has_a_name_that_a_registry_takes(made: Path, job: str, name: str) -> None:
    """Whoever's name has a capital; and each script ends well."""
    status, said = play(made, job, name)
    named = [word for line in said for word in re.findall(r"ghcr\.io[^\s,]*", line)]
    assert status == 0, said
    assert named
    assert [word for word in named if word != word.lower()] == []


def test_a_released_chart_installs_the_released_images(made: Path) -> None:
    """Else they would be looked for at Docker Hub, under a name that is not ours."""
    status, said = play(made, "charts", "Package, push, sign")
    values = yaml.safe_load((made / "charts/pointsman/values.yaml").read_text())
    pushed = {f"{FLOW['env']['REGISTRY']}/example-org/pointsman"}
    assert status == 0
    assert {values["image"]["repository"]} == pushed
    assert said[-1] == f"cosign sign --yes ghcr.io/example-org/charts/pointsman@{DIGEST}"


@pytest.mark.parametrize(("beyond", "wanted"), [(0, 0), (1, 1)])
def test_an_image_over_150_mb_is_not_released(made: Path, beyond: int, wanted: int) -> None:
    """Millions of bytes of files, as `build.size` counts them: no folder, no second name."""
    root = made / "exported"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "large").touch()
    os.truncate(root / "usr" / "lib" / "large", LIMIT_MB * 1_000_000 + beyond)
    (root / "usr" / "again").hardlink_to(root / "usr" / "lib" / "large")
    status, said = play(made, "image", "Bill of materials and licenses")
    assert status == wanted, said


@pytest.mark.parametrize(
    ("job", "name", "fails"),
    [
        ("charts", "Package, push, sign", "helm push"),
        ("image", "Bill of materials and licenses", "docker export"),
        ("image", "Bill of materials and licenses", "python3 images/sbom.py"),
        ("sign", "One name for both processors", "docker buildx imagetools inspect"),
    ],
)
def test_what_fails_in_a_pipe_ends_the_job(made: Path, job: str, name: str, fails: str) -> None:
    """Nothing is asked for after it: no signature of nothing, no list of an empty folder."""
    status, said = play(made, job, name, fails=fails)
    assert status != 0
    assert said[-1].startswith(fails)


def test_actions_are_named_by_commit_and_have_no_right_but_their_jobs() -> None:
    """A tag can be moved; what a job may not do it cannot be made to do."""
    steps = [one for job in FLOW["jobs"].values() for one in job["steps"]]
    used = [one["uses"] for one in steps if "uses" in one]
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []
    assert FLOW["permissions"] == {}
    assert [name for name, job in FLOW["jobs"].items() if not job["permissions"]] == []


def test_the_tests_of_a_release_have_what_they_ask_for() -> None:
    """Root on Debian, or what enters an image fails; all history, or no upgrade is tested."""
    job = FLOW["jobs"]["check"]
    assert job["container"] == {"image": "debian:trixie-slim", "options": "--privileged"}
    steps = [one.get("uses", "").partition("@")[0] or one["name"] for one in job["steps"]]
    checkout = steps.index("actions/checkout")
    assert steps.index("What a checkout with its history and the README's commands need") < checkout
    assert job["steps"][checkout]["with"]["fetch-depth"] == 0
