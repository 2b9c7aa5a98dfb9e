"""Reading manifests: kubectl's values, and the line of every problem."""

import io
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.manifests import Loaded, Severity, load, load_text
from pointsman.api.manifests.document import BadDocument, read, split
from pointsman.api.text import MAX_BYTES

POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata:
  name: desk
spec:
  modelNames: [auto]
  rules:
    - name: code
      match:
        task: [Coding]
      targets:
        - backendRef:
            name: a
  default:
    targets:
      - backendRef: {name: a}
"""
BACKEND = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: a}
spec:
  model: m
  deployment: {engine: Simulator}
"""


def lines(loaded: Loaded) -> list[str]:
    return [str(finding) for finding in loaded.problems]


def value(text: str) -> Any:
    document = read(dedent(text))
    assert document is not None
    return document.value


def test_documents_are_sorted_by_kind() -> None:
    """Ours become models, everything else stays a plain object."""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {api-key: hidden}\n"
    loaded = load_text(f"# a comment\n---\n{BACKEND}---\n{POLICY}---\n---\n{secret}")
    assert [b.value.metadata.name for b in loaded.backends] == ["a"]
    assert [p.value.metadata.name for p in loaded.policies] == ["desk"]
    assert [o.value["kind"] for o in loaded.others] == ["Secret"]
    assert loaded.problems == ()
    assert "hidden" not in repr(loaded)


def test_a_problem_shows_file_line_and_path() -> None:
    """The line counts through earlier documents of the file."""
    wrong = POLICY.replace("            name: a", "            nam: a")
    target = "spec.rules[0].targets[0].backendRef"
    assert lines(load_text(f"{BACKEND}---\n{wrong}", "desk.yaml")) == [
        f"desk.yaml:19: {target}.name: Required value",
        f'desk.yaml:20: {target}.nam: unknown field "nam" (did you mean name?)',
    ]


def test_a_good_object_knows_its_lines() -> None:
    """Later checks point at lines too; what does not exist points at its holder."""
    (policy,) = load_text(POLICY, "f").policies
    assert str(policy.position("spec.rules[0].targets[0].backendRef.name")) == "f:13"
    assert str(policy.position("spec.rules[0].fallback.chain")) == "f:8"
    assert str(policy.position("spec.rules[7]")) == "f:7"
    assert str(policy.position()) == "f:1"


def test_keys_may_hold_dots() -> None:
    """`requests.nvidia.com/gpu` is one step below requests."""
    text = BACKEND.replace(
        "{engine: Simulator}",
        "\n    engine: Simulator\n    resources:\n      limits:\n        nvidia.com/gpu: -1",
    )
    (problem,) = lines(load_text(text, "f"))
    assert problem.startswith("f:10: spec.deployment.resources.limits.nvidia.com/gpu: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("no", False),
        ("~", None),
        ("", None),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000),
        ("80.0", 80),
        (".5", 0.5),
        (".000_0", 0),
        (".5e1_0", 5_000_000_000),
        (".1_", ".1_"),
        (".5__5", ".5__5"),
        ("._1", "._1"),
        ("089", 89),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1m30s", "1m30s"),
        ("v1", "v1"),
        ('"no"', "no"),
        ("'17'", "17"),
        ("!!str 17", "17"),
        ("- a", ["a"]),
    ],
)
def test_scalars_are_kubectls(text: str, expected: object) -> None:
    """Seen from kubectl 1.32 and 1.37 with `annotate --local -o json`."""
    assert value(f"key: {text}" if not text.startswith("-") else f"key:\n  {text}") == {
        "key": expected
    }


@pytest.mark.parametrize(("key", "expected"), [("on", "true"), ("no", "false"), ("1", "1")])
def test_keys_become_text(key: str, expected: str) -> None:
    """A bare on is the key true: why our field is called when."""
    assert value(f"{key}: x") == {expected: "x"}


def test_anchors_and_merges_work_within_bounds() -> None:
    """Explicit keys win over merged ones."""
    text = """
      a: &a {x: 1, z: 2}
      b: {<<: *a, z: 3}
      c: [*a, *a]
    """
    assert value(text)["b"] == {"x": 1, "z": 3}
    assert value(text)["c"] == [{"x": 1, "z": 2}] * 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'key "a" is already set in line 1'),
        ("a:\n\t- 1\n", 2, "a tab cannot indent; use spaces"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: *b\n", 1, "alias *b is not defined"),
        ("a: !ruby/object x\n", 1, "is not supported"),
        ("a: .inf\n", 1, "is not a JSON value"),
        ("? [a]\n: b\n", 1, "a key must be a scalar"),
        ("~: b\n", 1, "a key must not be null"),
        ("{a: 1}\n{b: 2}\n", 2, "not YAML"),
        ("a: " + "[" * 200 + "]" * 200, 1, "nested deeper than 100"),
        ("a: {<<: [1]}\n", 1, "<< takes a mapping"),
    ],
)
def test_bad_documents_are_refused_with_their_line(text: str, line: int, message: str) -> None:
    """One clear line for each kind of broken YAML."""
    with pytest.raises(BadDocument) as caught:
        read(text)
    assert message in caught.value.message
    assert caught.value.line == line


def test_an_alias_bomb_is_refused() -> None:
    """Nine lists of nine aliases would be 400 million nodes."""
    bomb = "a: &a [x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(BadDocument, match="aliases add more than"):
        read(bomb)


def test_one_bad_document_does_not_hide_the_others() -> None:
    """Each document stands for itself."""
    loaded = load_text(f"a: [\n---\n{BACKEND}", "f")
    assert len(loaded.backends) == 1
    assert [str(p.position) for p in loaded.problems] == ["f:2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ModelBackend\n", "apiVersion and kind must be set"),
        ("- a\n", "a manifest must be an object"),
        (
            "apiVersion: pointsman.dev/v1\nkind: ModelBackend\n",
            'apiVersion: no version "pointsman.dev/v1" (did you mean pointsman.dev/v1alpha1?)',
        ),
        (
            "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolcy\n",
            "(did you mean RoutingPolicy?)",
        ),
    ],
)
def test_objects_that_are_none_of_ours(text: str, message: str) -> None:
    """Unknown kinds of our group are mistakes."""
    (problem,) = lines(load_text(text))
    assert message in problem


def test_our_kind_in_another_group_is_a_warning() -> None:
    """It may be somebody else's kind; most likely it is a slip."""
    loaded = load_text("apiVersion: pointsman.io/v1\nkind: ModelBackend\n")
    assert [p.severity for p in loaded.problems] == [Severity.WARNING]
    assert len(loaded.others) == 1


def test_a_list_is_its_items() -> None:
    """`kubectl get -o yaml` writes a List, with status in it."""
    item = "\n".join(
        f"    {line}" for line in (BACKEND + "status: {replicas: 1}").splitlines()
    ).replace("    apiVersion", "  - apiVersion", 1)
    loaded = load_text(f"apiVersion: v1\nkind: List\nitems:\n{item}\n", "f")
    assert loaded.problems == ()
    (backend,) = loaded.backends
    assert str(backend.position("spec.model")) == "f:8"


def test_json_is_read_too() -> None:
    """Also when it is indented with tabs."""
    text = '{\n\t"apiVersion": "v1",\n\t"kind": "Secret",\n\t"metadata": {"name": "s"}\n}'
    assert load_text(text).others[0].value["kind"] == "Secret"


def test_a_folder_gives_its_manifests_but_not_its_subfolders(tmp_path: Path) -> None:
    """As `kubectl apply -f DIR` does."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.yaml").write_text(BACKEND)
    (tmp_path / "b.yml").write_text(BACKEND)
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Secret"}')
    (tmp_path / "notes.txt").write_text("not: [yaml")
    loaded = load([tmp_path])
    assert (len(loaded.backends), len(loaded.others), loaded.problems) == (1, 1, ())
    assert loaded.backends[0].position().file == str(tmp_path / "b.yml")


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """load() never raises for what it reads."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    found = lines(load([tmp_path / n for n in ("none", "empty", "latin", "large")]))
    assert found == [
        f"{tmp_path}/none: No such file or directory",
        f"{tmp_path}/empty: no .json, .yaml or .yml file in this folder",
        f"{tmp_path}/latin:2: not UTF-8",
        f"{tmp_path}/large: larger than 8,388,608 bytes",
    ]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (BACKEND.encode(), []),
        (b"\xef\xbb\xbf" + BACKEND.encode(), []),
        (b"a: 1\nb: \xe9\n", ["<stdin>:2: not UTF-8"]),
        (b"#" * (MAX_BYTES + 1), ["<stdin>: larger than 8,388,608 bytes"]),
    ],
    ids=["plain", "marked", "Latin", "large"],
)
def test_standard_input_is_read_as_files_are(
    data: bytes, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the locale says that it is."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
    loaded = load(["-"])

    assert lines(loaded) == found
    assert len(loaded.backends) == (not found)


def test_a_standard_input_that_is_closed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `pointsman check - <&-`."""
    monkeypatch.setattr("sys.stdin", None)

    assert lines(load(["-"])) == ["<stdin>: Bad file descriptor"]


def test_a_path_that_cannot_be_looked_at_is_a_problem(tmp_path: Path) -> None:
    """Too long here, as one in a folder of another user is forbidden."""
    name = "x" * 300

    assert lines(load([tmp_path / name])) == [f"{tmp_path}/{name}: File name too long"]


def test_a_folder_that_cannot_be_read_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, or gone between two looks at it."""

    def iterdir(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert lines(load([tmp_path])) == [f"{tmp_path}: Permission denied"]


def test_lines_are_counted_once_however_many_documents_there_are() -> None:
    """A file of short documents must not take the square of its size to read."""

    class Counted(str):
        """Text that counts how much of it is searched for line ends."""

        seen = 0

        def __getitem__(self, key: Any) -> "Counted":
            return Counted(super().__getitem__(key))

        def count(self, part: str, *where: Any) -> int:
            Counted.seen += len(range(*slice(*where).indices(len(self)))) if where else len(self)
            return super().count(part, *where)

    text = Counted("---\na: b\n" * 1000)
    found = list(split(text))
    assert [before for before, _ in found] == [2 * n for n in range(1000)]
    assert Counted.seen <= len(text)


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}&*!|>'\"#,\n\t ?~%@`0.é\0")), max_size=60))
def test_garbage_never_raises(text: str) -> None:
    """Whatever stands in a file: findings, not exceptions."""
    loaded = load_text(text)
    assert all(finding.position.line >= 1 for finding in loaded.problems)
