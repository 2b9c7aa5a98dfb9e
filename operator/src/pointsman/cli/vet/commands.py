"""`pointsman vet`: asks a model the vetting suite, keeps the report, prints the approval."""

import argparse
import asyncio
import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from pointsman.api.manifests import Loaded
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.cli.evaluate.reading import Unusable, planned, read_files
from pointsman.cli.vet import judging
from pointsman.cli.vet.prompts import as_manifest, suite
from pointsman.cli.writing import write_whole
from pointsman.evaluation.running.asking import Asker
from pointsman.evaluation.running.runner import Plan, Runner
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.spending import Purse
from pointsman.evaluation.suite.summary import Report, report

_NAME = "vetting"


def vet(options: argparse.Namespace) -> int:
    """0 with an approval to commit; 1 if the model did not pass; 2 for what cannot be run."""
    if options.print_suite:
        print(yaml.safe_dump(as_manifest(), sort_keys=False, allow_unicode=True), end="")
        return 0
    try:
        backend, plan = _plan(options)
        measured = _digest(options.weights) if options.weights else None
        runner = Runner(plan, {}, purse=Purse(), keep=lambda _: None, progress=lambda: None)
        asyncio.run(_ask(runner, plan, options.timeout))
        if runner.denied:
            raise Unusable(runner.denied)  # noqa: TRY301 - one way for all that cannot be run
    except (Unusable, OSError) as error:
        print(f"pointsman vet: {error}", file=sys.stderr)
        return 2
    target = plan.targets[0]
    found = report(_NAME, plan.suite, [target.name], plan.runs, runner.done)
    vetting = _vetting(options, plan, found, backend, measured)
    return _tell(options, vetting)


def _plan(options: argparse.Namespace) -> tuple[ModelBackend | None, Plan]:
    loaded = read_files(options.paths) if options.paths else Loaded()
    known = {one.value.metadata.name: one.value for one in loaded.backends}
    backend = known.get(options.backend) if options.backend else None
    if options.backend and backend is None:
        raise Unusable(f"no ModelBackend {options.backend} in the files; give them with -f")
    if backend is None and not options.url:
        raise Unusable("give a BACKEND of the files, or --url with --model")
    model = options.model or (backend.spec.model if backend else None)
    if options.url and not model:
        raise Unusable("--url needs --model: what to ask for there")
    asked: dict[str, Any] = {
        "url": options.url,
        "model": [model] if options.url else [],
        "backend": [] if options.url else [options.backend],
        "api_key_env": [options.api_key_env] if options.api_key_env else [],
        "judge_url": None, "judge_api_key_env": None, "judge_price": None,
        "price": None, "currency": "USD", "max_cost": None,
        "runs": options.runs, "concurrency": options.concurrency,
    }  # fmt: skip
    whole = compile_suite(suite().spec)
    assert isinstance(whole, Suite), "it is tested"
    return backend, planned(argparse.Namespace(**asked), loaded, whole)


async def _ask(runner: Runner, plan: Plan, deadline_s: float) -> None:
    async with Asker(limit=plan.concurrency, deadline_s=deadline_s) as asker:
        await runner.run(asker)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _vetting(
    options: argparse.Namespace,
    plan: Plan,
    found: Report,
    backend: ModelBackend | None,
    measured: str | None,
) -> judging.Vetting:
    target = plan.targets[0]
    about = backend.spec.governance if backend else None
    checks = judging.stated(
        about,
        licenses=options.license,
        measured=measured,
        needs_digest=backend is not None and backend.spec.external is None,
    )
    if backend is None:  # nothing is stated of what is no backend yet
        checks = [msgspec.structs.replace(one, passed=None, told="no backend") for one in checks]
    return judging.Vetting(
        target=backend.metadata.name if backend else target.name,
        model=target.model,
        url=target.endpoint.url,
        suite=plan.suite.content,
        runs=plan.runs,
        at_least_percent=options.at_least,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        digest=(about.provenance.digest or "") if about and about.provenance else "",
        identities=found.identities[target.name],
        groups=judging.grouped(found.prompts, options.at_least),
        checks=checks,
        wrong=judging.wrongs(found.prompts),
    )


def _tell(options: argparse.Namespace, vetting: judging.Vetting) -> int:
    path = options.report or Path(f"vet-{vetting.target.replace('/', '-')}.json")
    data = msgspec.json.format(msgspec.json.encode(vetting), indent=2) + b"\n"
    try:
        write_whole(path, data)
    except OSError as error:
        print(f"pointsman vet: {error}", file=sys.stderr)
        return 2
    evidence = "sha256:" + hashlib.sha256(data).hexdigest()
    print(judging.table(vetting), end="")
    print(f"  report     {path}, {evidence}")
    if not vetting.passed:
        print("pointsman vet: not passed: there is no approval", file=sys.stderr)
        return 1
    block = judging.approval(vetting, by=options.by, evidence=evidence, days=options.days)
    print(
        f"\n# to commit with the report, under spec of ModelBackend {vetting.target}\n{block}",
        end="",
    )
    return 0
