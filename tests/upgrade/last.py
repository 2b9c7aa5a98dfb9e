"""The last release: which commit, and what of it lies in `released/`.

Guarantees that the folder says what the commit says, where the checkout knows that commit. Refuses
to guess where it does not: NoRelease says so.
"""

import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(__file__).parent / "released"
COMMIT: Final = FOLDER / "commit"
CRDS: Final = FOLDER / "crds"
CHILDREN: Final = FOLDER / "children.yaml"
BREAKS: Final = FOLDER / "breaks.yaml"
MANIFESTS: Final = "crds/manifests"
GOLDEN: Final = "tests/operator/golden"
SETTINGS: Final = "operator/src/pointsman/operator/settings.py"
NOTHING_BROKEN: Final = """\
# Breaks against the last release that are meant: [{where, change, reason}], the first two as the
# test prints them.
[]
"""
Json = dict[str, Any]


class NoRelease(Exception):
    """The commit of the last release is not in this checkout."""


def commit() -> str:
    """The commit that the folder was made of."""
    return COMMIT.read_text(encoding="utf-8").strip()


def git(*arguments: str) -> bytes:
    """What git says; raises NoRelease where it cannot."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise NoRelease(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def known(of: str) -> str:
    """The same commit in full; raises NoRelease, with what to do, where the checkout lacks it."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{of}^{{commit}}").decode().strip()
    except NoRelease as error:
        raise NoRelease(
            f"the last release, commit {of[:12]}, is not in this checkout: `git fetch --unshallow`"
        ) from error


def contents(of: str) -> dict[str, str]:
    """Every generated file of the folder, made of a commit."""
    names = git("ls-tree", "--name-only", f"{of}:{MANIFESTS}").decode().split()
    files = {f"crds/{n}": git("show", f"{of}:{MANIFESTS}/{n}").decode() for n in names}
    made: Json = {"vllmImage": vllm_image(git("show", f"{of}:{SETTINGS}").decode())}
    for name in git("ls-tree", "--name-only", f"{of}:{GOLDEN}").decode().split():
        if name.endswith(".yaml"):
            golden = git("show", f"{of}:{GOLDEN}/{name}").decode()
            made[name.removesuffix(".yaml")] = template_of(golden)
    files["children.yaml"] = yaml.safe_dump(made)
    files["commit"] = f"{of}\n"
    return files


def template_of(children: str) -> Json:
    """The pod template of the Deployment among a backend's children."""
    documents = yaml.safe_load_all(children)
    (made,) = (one["spec"]["template"] for one in documents if one["kind"] == "Deployment")
    return dict(made)


def vllm_image(settings: str) -> str:
    """The image of VLLM backends that name none, from the source of the operator's settings."""
    (line,) = (one for one in settings.splitlines() if one.startswith("VLLM_IMAGE = "))
    return line.partition('"')[2].rstrip('"')


def renew(of: str) -> None:
    """Make the folder of a commit; breaks of the release before are past."""
    full = known(of)
    for old in CRDS.glob("*.yaml"):
        old.unlink()
    CRDS.mkdir(parents=True, exist_ok=True)
    for name, text in contents(full).items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    BREAKS.write_text(NOTHING_BROKEN, encoding="utf-8")
