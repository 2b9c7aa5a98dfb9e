"""`pointsman evaluate` as a user types it: mistakes, and real runs against real simulators."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.evaluate.tables import progress
from pointsman.simulator.answer import is_correct
from tests.ledger.process import ledger_process
from tests.support.full_disk import full_disk

Capture = pytest.CaptureFixture[str]
EXAMPLE = str(Path(__file__).parent.parent.parent / "crds" / "examples" / "17-golden-prompts")
HEAD = "apiVersion: pointsman.dev/v1alpha1\nkind: "
EXTERNAL = (
    "---\n" + HEAD + "ModelBackend\nmetadata: {{name: {name}}}\n"
    "spec: {{model: m, external: {{url: '{url}'}}, "
    "cost: {{inputPerMillion: '1', outputPerMillion: '2', currency: {currency}}}}}\n"
)
URL = ("--url", "http://127.0.0.1:9/v1")


def suite_text(count: int = 1, name: str = "golden", judge: str = "", **more: Any) -> str:
    prompts = [
        {"name": f"p{i}", "prompt": f"Mend program {i}.", "task": "Coding", "maxTokens": 16,
         "metadata": {"pointsman-simulator-task": "Coding"},
         "checks": [{"contains": "Declared right"}], **more}
        for i in range(count)
    ]  # fmt: skip
    return f"---\n{HEAD}EvaluationSuite\nmetadata: {{name: {name}}}\nspec:\n" + (
        f"  judge: {{model: {judge}}}\n" if judge else ""
    ) + f"  prompts: {json.dumps(prompts)}\n"  # fmt: skip


def write(folder: Path, *texts: str) -> str:
    path = folder / "files.yaml"
    path.write_text("".join(texts))
    return str(path)


def external(name: str = "ext", url: str = "https://a.example/v1", currency: str = "USD") -> str:
    return EXTERNAL.format(name=name, url=url, currency=currency)


DEPLOYED = (
    f"---\n{HEAD}ModelBackend\nmetadata: {{name: own}}\n"
    "spec: {model: m, deployment: {engine: Simulator}}\n"
)
MISTAKES: list[tuple[str, list[str], str]] = [
    (suite_text(), [], "give --url with --model, or --backend"),
    (suite_text(), [*URL], "--url needs --model"),
    (suite_text(), [*URL, "--model", "m", "--model", "m"], "a name is given twice"),
    (suite_text() + external(), ["--backend", "exd"], "no ModelBackend exd in these files"),
    (suite_text() + DEPLOYED, ["--backend", "own"], "own has no URL of its own"),
    (suite_text() + suite_text(name="b"), [*URL, "--model", "m"], "--suite: golden, b"),
    (suite_text(), ["--suite", "golde", *URL, "--model", "m"], "did you mean"),
    (external(), [*URL, "--model", "m"], "no EvaluationSuites in these files"),
    (suite_text(checks=[]), [*URL, "--model", "m"], "files.yaml:6: spec.prompts[0].checks"),
    (
        suite_text(checks=[{"jsonSchema": "{}}"}]), [*URL, "--model", "m"],
        "spec.prompts[0].checks[0].jsonSchema: is no JSON schema",
    ),
    (suite_text(), [*URL, "--model", "m", "--max-cost", "1"], "--max-cost needs prices of m"),
    (
        suite_text() + external(currency="EUR"), ["--backend", "ext", "--max-cost", "1"],
        "--max-cost is in USD, and prices are in EUR",
    ),
    (suite_text(), [*URL, "--model", "m", "--fail-if", "qality<1"], "no figure qality"),
    (suite_text(), [*URL, "--model", "m", "--api-key-env", "NOT_THERE"], "has no NOT_THERE"),
    (
        suite_text() + external() + external("other", "https://b.example/v1"),
        ["--backend", "ext", "--backend", "other", "--api-key-env", "PATH"],
        "write BACKEND=NAME",
    ),
    (
        suite_text(judge="j", checks=[{"judge": {"rubric": "r"}}]) + external(),
        ["--backend", "ext"], "say where it is, with --judge-url",
    ),
    (
        suite_text(judge="j", checks=[{"judge": {"rubric": "r"}}]),
        [*URL, "--model", "m", "--price", "1/2", "--max-cost", "1"],
        "--max-cost needs prices of judge: --judge-price",
    ),
    (
        f"{HEAD}EvaluationSuite\nmetadata: {{name: a}}\nspec: {{configMapRef: {{name: x}}}}\n",
        [*URL, "--model", "m"], "no ConfigMap x, key prompts.jsonl in these files",
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("text", "flags", "words"), MISTAKES, ids=[one[2] for one in MISTAKES])
def test_a_mistake_is_one_line_and_costs_nothing(
    text: str, flags: list[str], words: str, tmp_path: Path, capsys: Capture
) -> None:
    """Status 2, what is wrong, and no file of results."""
    results = tmp_path / "r.jsonl"
    assert main(["evaluate", "-f", write(tmp_path, text), "--results", str(results), *flags]) == 2
    said = capsys.readouterr()

    assert words in said.err
    assert said.err.count("\n") <= 2
    assert said.out == ""
    assert not results.exists()


@pytest.mark.parametrize(
    "flags", [["--price", "1"], ["--url", "a"], ["--timeout", "0s"], ["--max-cost", "-1"]]
)
def test_a_flag_that_means_nothing_is_said(flags: list[str], capsys: Capture) -> None:
    """By the reader of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "-f", EXAMPLE, *flags])
    assert ended.value.code == 2
    assert f"argument {flags[0]}" in capsys.readouterr().err


def test_nobody_there_is_no_wrong_answer(tmp_path: Path, capsys: Capture) -> None:
    """Status 1, with the reason; nothing is asked for ever."""
    files, results = write(tmp_path, suite_text(2)), str(tmp_path / "r.jsonl")
    flags = ["-f", files, *URL, "--model", "m", "--timeout", "300ms", "--results", results]
    assert main(["evaluate", *flags, "-o", "json"]) == 1
    said = capsys.readouterr()
    (line,) = json.loads(said.out)["lines"]

    assert (line["quality"], line["not_scored"]) == (None, {"Error": 2})
    assert "nothing could be scored: Error: http://127.0.0.1:9/v1" in said.err


def test_check_judges_suites_as_the_operator_does(tmp_path: Path, capsys: Capture) -> None:
    """Also the lines of a ConfigMap among the files; one that is elsewhere is not missed."""
    config = (
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {prompts.jsonl: '{'}\n"
    )
    suite = f"{HEAD}EvaluationSuite\nmetadata: {{name: a}}\nspec: {{configMapRef: {{name: x}}}}\n"
    assert main(["check", write(tmp_path, suite)]) == 0
    assert "0 RoutingPolicies and 1 EvaluationSuite are valid" in capsys.readouterr().out
    assert main(["check", write(tmp_path, suite, config)]) == 1
    assert "files.yaml:4: ConfigMap x, key prompts.jsonl, line 1" in capsys.readouterr().err


def test_progress_is_a_line() -> None:
    """The time left as soon as it can be told."""
    line = {"done": 30, "total": 120, "absent": 2, "cost": "0.0120 USD", "elapsed_s": 10.0}

    assert progress(**line) == "30/120 asked, 2 not scored, 0.0120 USD, 30 s left"  # type: ignore[arg-type]
    assert progress(done=1, total=120, absent=0, cost="", elapsed_s=1) == "1/120 asked"


@contextmanager
def simulator(*flags: str) -> Iterator[str]:
    """A real process; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
         "--port", "0", "--tokens-per-second", "0", "--output-tokens", "16", *flags],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1].rstrip("/")
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


def base(url: str) -> str:
    return url if url.endswith("/v1") else f"{url}/v1"


def asked(url: str) -> int:
    """Requests that the simulator says it has answered."""
    with urllib.request.urlopen(base(url).removesuffix("/v1") + "/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^vllm:request_success_total\{[^}]*\} (\d+)", text, re.MULTILINE)
    return sum(map(int, found))


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "pointsman.cli", "evaluate", *flags]


@pytest.mark.local
def test_what_is_measured_is_what_the_model_declares(tmp_path: Path, capsys: Capture) -> None:
    """Each prompt that the simulator counts as right scores 1, and no other."""
    files = write(tmp_path, suite_text(60))
    with simulator("--ttft", "0", "--quality=Coding=0.7") as url:
        flags = ["-f", files, "--url", base(url), "--model", "m", "--price", "1/2",
                 "--results", str(tmp_path / "r.jsonl")]  # fmt: skip
        assert main(["evaluate", *flags, "--runs", "2", "-o", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main(["evaluate", *flags, "--runs", "2", "--fail-if", "quality<0.99"]) == 1
        said = capsys.readouterr()
        assert asked(url) == 120

    right = [is_correct(f"Mend program {i}.", 0.7) for i in range(60)]
    assert [one["scores"] for one in found["prompts"]] == [[float(one)] * 2 for one in right]
    (line,) = found["lines"]
    assert line["quality"]["value"] == pytest.approx(sum(right) / 60)
    assert line["cost_nano"] == sum(
        2 * (1000 * (-(-len(f"Mend program {i}.") // 4) + 3) + 2000 * 16) for i in range(60)
    )
    assert found["identities"]["m"][0].startswith("m (sim-")
    assert "quality<0.99: it is 0." in said.err
    assert "m    Coding" in said.out


@pytest.mark.local
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_second_start_pays_for_no_finished_call(tmp_path: Path, number: signal.Signals) -> None:
    """Wherever the first one was stopped; Ctrl-C prints what there is."""
    count, results = 40, tmp_path / "r.jsonl"
    with simulator("--ttft", "30ms") as url:
        flags = ["-f", write(tmp_path, suite_text(count)), "--url", base(url), "--model", "m",
                 "--results", str(results), "--concurrency", "2"]  # fmt: skip
        first = subprocess.Popen(
            command(*flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        end = time.monotonic() + 60
        while not results.exists() or results.read_bytes().count(b"\n") < 10:
            assert first.poll() is None
            assert time.monotonic() < end
            time.sleep(0.005)
        first.send_signal(number)
        out, err = first.communicate(timeout=30)
        kept = results.read_bytes().count(b'"type":"call"')
        assert 8 <= kept < count
        if number == signal.SIGINT:
            assert first.returncode == 130
            assert f"{count - kept} not asked" in out
            assert "the same command goes on where it stopped" in err
            assert "Traceback" not in err
        second = subprocess.run(
            command(*flags, "-o", "json"), capture_output=True, text=True, timeout=60, check=True
        )
        assert asked(url) <= count + 2  # the two calls that were under way

    assert json.loads(second.stdout)["lines"][0]["scored"] == count
    calls = [json.loads(line) for line in results.read_text().splitlines()]
    prompts = [one["call"]["prompt"] for one in calls if one["type"] == "call"]
    assert sorted(prompts) == sorted(f"p{i}" for i in range(count))


@pytest.mark.local
def test_the_cap_stops_and_a_higher_one_goes_on(tmp_path: Path, capsys: Capture) -> None:
    """Status 1, what is spent, and never more than the cap."""
    with simulator("--ttft", "0") as url:
        flags = ["-f", write(tmp_path, suite_text(30)), "--url", base(url), "--model", "m",
                 "--price", "100/1000", "--results", str(tmp_path / "r.jsonl")]  # fmt: skip
        assert main(["evaluate", *flags, "--max-cost", "0.2", "-o", "json"]) == 1
        said = capsys.readouterr()
        (line,) = json.loads(said.out)["lines"]
        assert 0 < line["cost_nano"] <= 200_000_000
        assert line["missing"] == 30 - line["scored"] > 0
        assert "could pass --max-cost 0.2; with a higher one" in said.err
        assert main(["evaluate", *flags, "--max-cost", "9"]) == 0
        assert asked(url) == 30


@pytest.mark.local
def test_a_changed_suite_needs_a_new_file(tmp_path: Path, capsys: Capture) -> None:
    """Its results cannot be mixed with the old ones; the old file stays as it is."""
    results = tmp_path / "r.jsonl"
    with simulator("--ttft", "0") as url:
        flags = ["--url", base(url), "--model", "m", "--results", str(results)]
        assert main(["evaluate", "-f", write(tmp_path, suite_text(2)), *flags]) == 0
        before = results.read_bytes()
        assert main(["evaluate", "-f", write(tmp_path, suite_text(3)), *flags]) == 2

    assert "give another file with --results" in capsys.readouterr().err
    assert results.read_bytes() == before


@pytest.mark.local
def test_backends_of_the_files_and_a_judge_that_is_none(tmp_path: Path, capsys: Capture) -> None:
    """A simulator talks nonsense as a judge: nobody gets worse by it."""
    with simulator("--ttft", "0", "--quality=Coding=1") as url:
        address = base(url).removeprefix("http://").removesuffix("/v1")
        local = (
            f"---\n{HEAD}ModelBackend\nmetadata:\n  name: near\n  annotations:\n"
            f"    pointsman.dev/local-address: {address}\n"
            "spec: {model: m, service: {name: s, port: 80},\n"
            "  cost: {inputPerMillion: '1', outputPerMillion: '2'}}\n"
        )
        checks = [{"contains": "right"}, {"judge": {"rubric": "r", "reference": "x"}}]
        files = write(tmp_path, suite_text(2, judge="j", checks=checks), local)
        flags = ["-f", files, "--backend", "near", "--judge-url", base(url), "-o", "json",
                 "--results", str(tmp_path / "r.jsonl")]  # fmt: skip
        assert main(["evaluate", *flags]) == 1
        (line,) = json.loads(capsys.readouterr().out)["lines"]

    assert (line["quality"], line["not_scored"]) == (None, {"Unreadable": 2})
    assert line["calls"] == 6
    assert line["cost_nano"] > 0


@pytest.mark.local
def test_results_go_to_the_ledger_once(tmp_path: Path, capsys: Capture) -> None:
    """Behind its token; sent again they change nothing. A ledger that is away costs no call."""
    token = tmp_path / "token"
    token.write_text("secret")
    results, db = str(tmp_path / "r.jsonl"), f"--db={tmp_path / 'ledger.db'}"
    with simulator("--ttft", "0", "--quality=Coding=0.5") as url:
        flags = ["-f", write(tmp_path, suite_text(20)), "--url", base(url), "--model", "m",
                 "--price", "1/2", "--results", results]  # fmt: skip
        assert main(["evaluate", *flags, "--record", "http://127.0.0.1:9"]) == 1
        assert "not recorded: http://127.0.0.1:9" in capsys.readouterr().err
        with ledger_process(db, f"--token-file={token}") as running:
            ledger = f"http://127.0.0.1:{running.port}"
            assert main(["evaluate", *flags, "--record", ledger]) == 1
            assert "says 401: the bearer token is missing" in capsys.readouterr().err
            for _unused in range(2):
                recorded = ["--record", ledger, "--ledger-token-file", str(token)]
                assert main(["evaluate", *flags, *recorded]) == 0
                assert "the ledger has 20 results" in capsys.readouterr().err
            request = urllib.request.Request(
                f"{ledger}/v1/evaluations?suite=golden&backend=m&since=1h",
                headers={"Authorization": "Bearer secret"},
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                found = json.loads(answer.read())
        assert asked(url) == 20

    right = {f"p{i}": float(is_correct(f"Mend program {i}.", 0.5)) for i in range(20)}
    assert {one["prompt"]: one["score"] for one in found["evaluations"]} == right
    assert not found["more"]
    assert {one["task"] for one in found["evaluations"]} == {"Coding"}


@pytest.mark.local
@pytest.mark.slow
def test_a_full_disk_ends_a_run_that_goes_on_later(tmp_path: Path, capsys: Capture) -> None:
    """What cannot be kept would be paid again: it is told, nothing more is asked."""
    count, results = 40, tmp_path / "r.jsonl"
    with simulator("--ttft", "0") as url:
        flags = ["evaluate", "-f", write(tmp_path, suite_text(count)), "--url", base(url),
                 "--model", "m", "--results", str(results), "--concurrency", "2"]  # fmt: skip
        with full_disk(3000):
            assert main(flags) == 1
        told = capsys.readouterr().err
        assert told == f"pointsman evaluate: stopped: {results} cannot be written: File too large\n"
        kept, before = results.read_bytes().count(b"\n") - 2, asked(url)
        assert 0 < kept < before < count
        assert main(flags) == 0
        assert asked(url) == before + count - kept
        with full_disk(10):
            assert main([*flags, "--results", str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert told == f"pointsman evaluate: {tmp_path}/new cannot be written: File too large\n"


@pytest.mark.parametrize("host", ["a" * 70, "no..host"])
def test_an_address_that_nobody_can_have_stops_it(
    host: str, tmp_path: Path, capsys: Capture
) -> None:
    """Once, not with each call."""
    flags = ["evaluate", "-f", write(tmp_path, suite_text(9)), "--url", f"http://{host}/v1"]
    assert main([*flags, "--model", "m", "--results", str(tmp_path / "r.jsonl")]) == 1
    told = capsys.readouterr().err
    assert told == f"pointsman evaluate: stopped: http://{host}/v1/chat/completions is no address\n"
