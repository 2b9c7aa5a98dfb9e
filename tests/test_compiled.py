"""What is compiled is what is written: its rules, and that both behave alike."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import hatch_build
import pytest
from hatchling.bridge.app import Application
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from tests import compiled

ROOT = compiled.ROOT
PLAYED = (
    "tests/router/serve/test_relay.py::test_an_openai_sdk_gets_a_whole_answer",
    "tests/router/serve/test_relay.py::test_account_headers_never_come_back",
    "tests/router/serve/test_relay.py::test_an_openai_sdk_gets_a_stream",
    "tests/router/serve/test_fallback.py::test_a_fault_before_content_falls_back",
    "tests/router/serve/test_pinned.py::test_a_pinned_request_is_answered_by_just_that_backend",
    "tests/router/serve/test_shadow.py::test_a_stream_is_compared_whole",
    "tests/router/serve/review/test_held.py::test_an_approved_answer_goes_out_as_it_was",
    "tests/router/serve/review/test_polling.py::test_an_approved_request_runs_when_it_is_polled",
    "tests/local/test_up.py::test_the_support_desk_answers_from_four_models",
    "tests/local/test_reviews.py::test_the_example_waits_for_a_person",
)
"""Whole, streamed, fallback, pinned, shadow, held for a person; `make test-compiled` plays all."""


def module(name: str) -> Path:
    """Its source."""
    places = (Path(ROOT, root, *name.split(".")).with_suffix(".py") for root in hatch_build.ROOTS)
    return next(path for path in places if path.exists())


@pytest.mark.parametrize("name", compiled.modules())
def test_no_struct_is_compiled(name: str) -> None:
    """Mypyc drops the options of a msgspec.Struct and the fields that may be None."""
    classes = [
        n for n in ast.walk(ast.parse(module(name).read_text())) if isinstance(n, ast.ClassDef)
    ]
    named = [ast.unparse(base) for found in classes for base in found.bases]

    assert not [base for base in named if base.endswith("Struct")]


def test_what_inherits_from_a_compiled_class_is_compiled() -> None:
    """An interpreted class cannot: the router would meet that with its first request."""
    names = compiled.modules()
    native = {
        (name, found.name)
        for name in names
        for found in ast.parse(module(name).read_text()).body
        if isinstance(found, ast.ClassDef)
    }
    odd = []
    for path in sorted(Path(ROOT, "router/src").rglob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        bases = [
            base
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
            if isinstance(base, ast.Name) and imported.get(base.id) in native
        ]
        mine = ".".join(path.relative_to(ROOT / "router/src").with_suffix("").parts)
        odd += [f"{mine}: {base.id}" for base in bases if mine not in names]

    assert odd == []


def test_without_a_compiler_the_wheel_is_plain_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who has none gets a router all the same; who requires one gets no wheel."""
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("POINTSMAN_COMPILE", "1")
    data: dict[str, object] = {"force_include": {}, "pure_python": True}
    config: dict[str, object] = {"modules": compiled.modules()}
    metadata: ProjectMetadata[PluginManager] = ProjectMetadata(str(ROOT), PluginManager())
    hook = hatch_build.CompilingHook(
        str(ROOT), config, None, metadata, str(tmp_path), "wheel", Application()
    )
    hook.initialize("standard", data)

    assert data == {"force_include": {}, "pure_python": True}
    said = capfd.readouterr()
    assert "!! the wheel is plain Python" in said.out + said.err
    assert "no C compiler (no-such-compiler)" in said.out + said.err
    monkeypatch.setenv("POINTSMAN_COMPILE", "require")
    with pytest.raises(hatch_build.Uncompiled, match="no C compiler"):
        hook.initialize("standard", data)
    hook.initialize("editable", data)


def said(environment: dict[str, str]) -> tuple[str, list[str]]:
    """(which code ran, what it wrote)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.said"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, *lines = done.stdout.splitlines()
    return first, lines


@pytest.mark.local
@pytest.mark.timeout(590)
def test_compiled_code_is_loaded_and_says_the_same() -> None:
    """Byte for byte, for callers and for model servers."""
    if lacking := hatch_build.missing():
        pytest.skip(f"not run: {lacking}")
    folder = compiled.build()
    plain, wanted = said({})
    quick, found = said({"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"})

    assert plain.endswith("app.py plain")
    assert re.fullmatch(rf"{folder}/pointsman/router/serve/app\..*\.so compiled", quick)
    assert any("HTTP/1.1 200 OK" in line for line in wanted)
    assert any("HTTP/1.1 400" in line for line in wanted)
    assert found == wanted


@pytest.mark.local
@pytest.mark.timeout(590)
def test_every_module_of_the_list_is_compiled() -> None:
    """One that mypyc left out would be slow and never be missed."""
    if lacking := hatch_build.missing():
        pytest.skip(f"not run: {lacking}")
    folder = compiled.build()
    built = {
        ".".join(path.relative_to(folder).with_name(path.name.partition(".")[0]).parts)
        for path in folder.rglob("*.so")
    }

    assert built == {*compiled.modules(), f"{hatch_build.LIBRARY}__mypyc"}


@pytest.mark.local
@pytest.mark.timeout(590)
def test_compiled_code_does_what_the_tests_of_the_sources_ask() -> None:
    """One test of each way a request may go, and two examples as a user starts them."""
    if lacking := hatch_build.missing():
        pytest.skip(f"not run: {lacking}")
    here = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*arguments, "--timeout", "150", *PLAYED],
        cwd=ROOT,
        env=here | compiled.environment(),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed in", done.stdout)
    assert passed is not None, done.stdout[-6000:]
    assert int(passed[1]) >= len(PLAYED)
