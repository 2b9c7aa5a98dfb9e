"""Every mistake that a newcomer can make in files: real processes, exact status, exact lines.

`check`, `up` and `explain` say the same about the same files, and none of them shows a traceback.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.local

DEADLINE_S = 120.0
HEAD = "apiVersion: pointsman.dev/v1alpha1\n"
BACKEND = (
    HEAD
    + """\
kind: ModelBackend
metadata: {name: first}
spec:
  model: m
  deployment: {engine: Simulator}
"""
)
POLICY = (
    HEAD
    + """\
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: first}}]}
"""
)
EXTERNAL = (
    HEAD
    + """\
kind: ModelBackend
metadata: {name: first}
spec:
  model: m
  external: {url: "https://api.example.com/v1", credentialsSecretRef: {name: key}}
"""
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {api-key: k}\n"


def write(folder: Path, **texts: str | bytes) -> None:
    """One file for each name; `_` stands for the dot."""
    for name, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name.replace("_", ".")).write_bytes(data)


def no_override() -> None:
    """In the child: root, too, obeys the modes of files (Linux)."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def together(
    folder: Path, *commands: list[str], before: Callable[[], None] | None = None
) -> list[tuple[int, list[str]]]:
    """Run commands at the same time in a folder: status and lines of standard error of each."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "pointsman.cli", *command],
            cwd=folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,  # noqa: PLW1509 - the tests have no threads
        )
        for command in commands
    ]
    try:
        said = [process.communicate(timeout=DEADLINE_S)[1] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [(p.returncode, text.splitlines()) for p, text in zip(running, said, strict=True)]


def refused(
    folder: Path, *lines: str, path: str = "d", before: Callable[[], None] | None = None
) -> None:
    """All three commands end with 1 and say exactly these lines; `check` counts them too."""
    check, up, explain = together(
        folder,
        ["check", path],
        ["up", path, "--port", "0"],
        ["explain", "-f", path, "--prompt", "x"],
        before=before,
    )
    errors = len([line for line in lines if ": warning: " not in line])
    total = f"{errors} error{'s' if errors > 1 else ''}"

    assert check == (1, [*lines, total])
    assert up == (1, [*lines])
    assert explain == (1, [*lines])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a folder d in it."""
    (tmp_path / "d").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("backend", "line"),
    [
        (BACKEND.replace("  model:", "\tmodel:"), "5: not YAML: a tab cannot indent; use spaces"),
        (BACKEND + "  model: n\n", '7: key "model" is already set in line 5'),
        (BACKEND.replace("{name: first}", "{name: first"), "4: not YAML"),
        (BACKEND.encode() + b"# caf\xe9\n", "7: not UTF-8"),
        (BACKEND + "# \x00\n", "7: not YAML: a control character, U+0000"),
        (
            BACKEND.replace("ModelBackend", "ModelBakend"),
            '2: kind: no kind "ModelBakend" in pointsman.dev/v1alpha1 (did you mean ModelBackend?)',
        ),
        (
            BACKEND.replace("v1alpha1", "v1"),
            '1: apiVersion: no version "pointsman.dev/v1" (did you mean pointsman.dev/v1alpha1?)',
        ),
        (BACKEND.replace(HEAD, ""), "1: apiVersion and kind must be set"),
        (
            BACKEND.replace("  model:", "  modle: x\n  model:"),
            '5: spec.modle: unknown field "modle" (did you mean model?)',
        ),
        (
            BACKEND.replace("Simulator", "Simulater"),
            (
                '6: spec.deployment.engine: Unsupported value: "Simulater": supported values: '
                '"VLLM", "SGLang", "LlamaCpp", "Ollama", "Simulator", "Custom" '
                "(did you mean Simulator?)"
            ),
        ),
        (
            BACKEND.replace(
                "{engine: Simulator}", "{engine: Custom, image: i, command: [x], port: 70000}"
            ),
            "6: spec.deployment.port: Invalid value: 70000: should be less than or equal to 65535",
        ),
        (
            f"{BACKEND}---\n{BACKEND}",
            "10: metadata.name: ModelBackend default/first is already in d/backend.yaml:1",
        ),
        (
            BACKEND.replace("name: first", "name: fist"),
            (
                "@d/policy.yaml:6: spec.default.targets[0].backendRef.name: "
                "no ModelBackend first among these files (did you mean fist?)"
            ),
        ),
        (
            f"{EXTERNAL}---\n{SECRET}",
            (
                "6: spec.external.credentialsSecretRef: "
                'Secret key lacks the label pointsman.dev/credential: "true"'
            ),
        ),
        ("apiVersion: v1\nkind: List\nitems: 5\n", "3: items: must be a list"),
    ],
)
def test_one_mistake_is_one_line(here: Path, backend: str | bytes, line: str) -> None:
    """With file and line; what follows from the mistake is not told as another one."""
    write(here / "d", backend_yaml=backend, policy_yaml=POLICY)
    wanted = line[1:] if line.startswith("@") else f"d/backend.yaml:{line}"
    if line == "4: not YAML":  # the parser's own words go on
        (status, said), *_ = together(here, ["up", "d"])
        assert status == 1
        assert len(said) == 1
        assert said[0].startswith("d/backend.yaml:")
        assert "not YAML: " in said[0]
        return

    refused(here, wanted)


def test_a_broken_file_does_not_hide_a_name_that_nobody_has(here: Path) -> None:
    """Of a backend with a bad field the name is known, so other names are still judged."""
    write(
        here / "d",
        a_yaml=BACKEND.replace("model: m", "model: 5"),
        b_yaml=POLICY.replace("name: first", "name: frist"),
    )
    refused(
        here,
        'd/a.yaml:5: spec.model: must be of type string: "integer" (quote it: "5")',
        "d/b.yaml:6: spec.default.targets[0].backendRef.name: "
        "no ModelBackend frist among these files (did you mean first?)",
    )


def test_two_policies_of_one_model_name(here: Path) -> None:
    """The second one says who has the name."""
    write(
        here / "d", a_yaml=BACKEND, b_yaml=POLICY,
        c_yaml=POLICY.replace("name: desk", "name: other"),
    )  # fmt: skip
    refused(
        here,
        "d/c.yaml:5: spec.modelNames[0]: model name chat is already claimed by RoutingPolicy desk "
        "in d/b.yaml:1; only the older one has it",
    )


def test_another_group_is_ignored_and_said(here: Path) -> None:
    """The policy misses the backend; the line before says where it is."""
    write(here / "d", a_yaml=BACKEND.replace("pointsman.dev", "pointsman.io"), b_yaml=POLICY)
    refused(
        here,
        "d/a.yaml:1: warning: apiVersion: ModelBackend belongs to pointsman.dev/v1alpha1; "
        "of another group, it is ignored",
        "d/b.yaml:6: spec.default.targets[0].backendRef.name: "
        "no ModelBackend first among these files",
    )


def test_nothing_to_read(here: Path) -> None:
    """Missing, empty, without YAML, one folder too high."""
    refused(here, "nowhere: No such file or directory", path="nowhere")
    refused(here, "d: no .json, .yaml or .yml file in this folder")
    (here / "d" / "deeper").mkdir()
    write(here / "d", notes_txt=BACKEND)
    refused(here, "d: no .json, .yaml or .yml file in this folder; folders in it are not read")


def test_files_without_an_object(here: Path) -> None:
    """`up` and `explain` need one of ours; `check` is content with anybody's."""
    write(here / "d", a_yaml="# to do\n---\n")
    (check, up, explain) = together(
        here, ["check", "d"], ["up", "d"], ["explain", "-f", "d", "--prompt", "x"]
    )
    assert check == (1, ["no object in d"])
    assert up == explain == (1, ["no ModelBackend and no RoutingPolicy in these files"])
    write(here / "d", a_yaml=SECRET)
    assert together(here, ["check", "d"], ["up", "d"]) == [(0, []), up]


def test_a_file_that_may_not_be_read(here: Path) -> None:
    """The file is named; no other line follows from it."""
    if sys.platform != "linux" and os.geteuid() == 0:
        pytest.skip("not run: root reads everything here")
    write(here / "d", a_yaml=BACKEND, b_yaml=POLICY)
    (here / "d" / "a.yaml").chmod(0)
    before = no_override if os.geteuid() == 0 else None

    refused(here, "d/a.yaml: Permission denied", before=before)


def test_a_file_that_may_not_be_written_is_not_replaced(here: Path) -> None:
    """Whoever may write into its folder could; the file says that it is kept."""
    if sys.platform != "linux" and os.geteuid() == 0:
        pytest.skip("not run: root writes everything here")
    make = ["key", "create", "app", "--into", "callers.yaml"]
    assert together(here, make)[0][0] == 0
    file = here / "callers.yaml"
    before = file.read_bytes()
    file.chmod(0o444)
    limits = no_override if os.geteuid() == 0 else None

    assert together(here, make, before=limits) == [(1, ["callers.yaml: Permission denied"])]
    assert file.read_bytes() == before


def test_what_kubectl_takes_is_taken(here: Path) -> None:
    """A List, several documents, JSON, a folder that is named like a file, status in it."""
    both = "".join("- " + "\n  ".join(text.splitlines()) + "\n" for text in (BACKEND, POLICY))
    write(here / "d", list_yaml=f"apiVersion: v1\nkind: List\nitems:\n{both}")
    write(here, one_yaml=f"---\n{BACKEND}status: {{replicas: 1}}\n---\n---\n{POLICY}---\n")
    (here / "d" / "folder.yaml").mkdir()
    asked = ["explain", "--prompt", "x", "-f"]

    assert together(here, ["check", "d"], ["check", "one.yaml"], [*asked, "d"]) == [(0, [])] * 3


COMMANDS = (
    "up, check, adopt, approve, explain, audit, audit-log, completion, evaluate, import, key, "
    "report, reviews, rollout, simulate, status, top, vet, demo"
)
USAGES = [
    (["upp", "d"], "pointsman: no command upp (did you mean up?)"),
    (["xyz"], f"pointsman: no command xyz; there are: {COMMANDS}"),
    ([], f"pointsman: a command is needed: {COMMANDS}"),
    (["--verison"], "pointsman: no flag --verison (did you mean --version?)"),
    (["up"], "pointsman up: the following arguments are required: PATH"),
    (["up", "d", "--prot", "80"], "pointsman up: no flag --prot (did you mean --port?)"),
    (["up", "d", "--po=80"], "pointsman up: no flag --po (did you mean --port?)"),
    (
        ["up", "d", "--port", "65536"],
        "pointsman up: argument --port: '65536' is no port: 0 to 65535, 0 takes a free one",
    ),
    (
        ["up", "d", "--port=-1"],
        "pointsman up: argument --port: '-1' is no port: 0 to 65535, 0 takes a free one",
    ),
    (
        ["up", "d", "--time-scale", "nan"],
        "pointsman up: argument --time-scale: 'nan' is no number over 0",
    ),
    (
        ["up", "-"],
        "pointsman up: argument PATH: standard input cannot be watched; give a file or a folder",
    ),
    (["check", ""], "pointsman check: argument PATH: a path must not be empty"),
    (["explain", "-f", "d", "--promt", "x"],
     "pointsman explain: no flag --promt (did you mean --prompt?)"),
    (["demo", "--requests", "0"],
     "pointsman demo: argument --requests: '0' is no whole number from 1 on"),
]  # fmt: skip


def test_wrong_usage_is_one_line_and_two(here: Path) -> None:
    """What was meant, where it is near to something that there is."""
    answers = together(here, *[arguments for arguments, _ in USAGES])
    helps = [f"{line} (see {line.partition(':')[0]} --help)" for _, line in USAGES]

    assert answers == [(2, [line]) for line in helps]


def test_explain_knows_near_model_names(here: Path) -> None:
    """And lists them where none is near."""
    write(here / "d", a_yaml=BACKEND, b_yaml=POLICY)
    asked = ["explain", "-f", "d", "--prompt", "x", "--model"]
    near, far = together(here, [*asked, "caht"], [*asked, "zzz"])

    assert near == (1, ["no policy has the model name 'caht' (did you mean chat?)"])
    assert far == (1, ["no policy has the model name 'zzz'; there are: chat"])


def test_addresses_that_cannot_be_had(here: Path) -> None:
    """The system's reason, and what it means."""
    write(here / "d", a_yaml=BACKEND, b_yaml=POLICY)
    elsewhere, nowhere = together(
        here,
        ["up", "d", "--open", "--port", "0", "--host", "192.0.2.1"],
        ["up", "d", "--open", "--port", "0", "--host", "no..host"],
    )

    assert elsewhere[0] == nowhere[0] == 1
    (line,) = elsewhere[1]
    assert line.startswith("cannot listen on 192.0.2.1:0: ")
    assert line.endswith("; this machine has no such address")
    assert nowhere[1] == ["cannot listen on no..host:0: this is no name of a host"]
