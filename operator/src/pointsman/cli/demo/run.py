"""`pointsman demo`: three days of one support desk, side by side, then a router that stays.

`pointsman up` runs in a process of its own on the example's files and two more policies, which
send everything to the dearest and to the cheapest model. Every figure in the report is the
ledger's; what the models billed is added up here as well, and has to be the same.
"""

import argparse
import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pointsman.api.manifests import load
from pointsman.api.v1alpha1 import Cost, ModelBackend
from pointsman.cli.demo.asking import Asking, NotSettled
from pointsman.cli.demo.evidence import apart, lines, to_trace
from pointsman.cli.demo.figures import Answer, bill_nano, rows
from pointsman.cli.demo.prompts import DeskRequest, day
from pointsman.cli.demo.report import balance, print_table, savings
from pointsman.cli.demo.traffic import send_day
from pointsman.cli.up import run, stop_event
from pointsman.local.ledger import has_console

TIME_SCALE = 10.0
"""Simulated models run ten times faster than real ones; reported latencies are scaled back."""
DAY_S = 15.0
"""How long a day of arrivals takes here."""
READY_DEADLINE_S = 60.0
USUAL_PORT = 8080
ARMS = ("routed", "largest", "smallest")
MODEL_OF_ARM = {
    "routed": "auto",
    "largest": "all-to-the-largest",
    "smallest": "all-to-the-smallest",
}


T = TypeVar("T")


class DemoFailed(Exception):
    """The demo cannot go on; the text says why."""


def example(name: str = "02-support-desk") -> Path:
    """An example's folder, the support desk's: of the checkout, else of the installed package."""
    checkout = Path(__file__).parents[5] / "crds" / "examples" / name
    if checkout.is_dir():
        return checkout
    packaged = Path(__file__).parents[2] / "examples" / name
    if packaged.is_dir():
        return packaged
    raise DemoFailed(f"the example is missing: {checkout}")


def backends(folder: Path) -> dict[str, ModelBackend]:
    """The folder's backends by name."""
    return {item.value.metadata.name: item.value for item in load([folder]).backends}


def prices(known: Mapping[str, ModelBackend]) -> dict[str, Cost]:
    """What the YAML declares, by backend."""
    return {name: one.spec.cost for name, one in known.items() if one.spec.cost}


def extremes(declared: Mapping[str, Cost]) -> tuple[str, str]:
    """(dearest, cheapest) backend by the price of an answer token."""
    ordered = sorted(declared, key=lambda name: float(declared[name].output_per_million or 0))
    return ordered[-1], ordered[0]


def baseline(model: str, backend: ModelBackend, *, slots: int) -> str:
    """A copy of one backend with as many slots as the whole fleet, and a policy that uses it."""
    spec = backend.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    spec["deployment"]["args"].append(f"--max-concurrency={slots}")
    alone = f"{backend.metadata.name}-alone"
    version = {"apiVersion": backend.api_version}
    return yaml.safe_dump_all(
        [
            {**version, "kind": "ModelBackend", "metadata": {"name": alone}, "spec": spec},
            {
                **version,
                "kind": "RoutingPolicy",
                "metadata": {"name": model},
                "spec": {
                    "modelNames": [model],
                    "default": {"targets": [{"backendRef": {"name": alone}}]},
                },
            },
        ]
    )


def slots_of(backends: Iterable[ModelBackend]) -> int:
    """How many requests the fleet's simulators answer at a time."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--max-concurrency", type=int, default=8)
    return sum(
        (backend.spec.replicas or 1)
        * parser.parse_known_args(backend.spec.deployment.args)[0].max_concurrency
        for backend in backends
        if backend.spec.deployment
    )


@contextlib.asynccontextmanager
async def fleet(
    folder: Path, host: str, port: int, *, chosen_open: bool = False
) -> AsyncIterator[tuple[str, str]]:
    """`pointsman up` as a process of its own, ended with the block; its base URL, its ledger's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pointsman.cli", "up", str(folder), "--host", host,
        "--port", str(port), "--time-scale", f"{TIME_SCALE:g}",
        *(["--open"] if chosen_open else []),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(READY_DEADLINE_S):
            urls = await _until_ready(process.stdout, said)
        drain = asyncio.create_task(_discard(process.stdout))
        yield urls
        drain.cancel()
    except TimeoutError as error:
        raise DemoFailed("the fleet did not become ready:\n" + "\n".join(said)) from error
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def before(stop: asyncio.Event, work: Coroutine[Any, Any, T], end: str = "the table") -> T:
    """What `work` gives; cut, with DemoFailed, if the end is asked for first."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise DemoFailed(f"stopped before {end}")
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.wait({working, stopping})


async def _until_ready(output: asyncio.StreamReader, said: list[str]) -> tuple[str, str]:
    url = ledger = ""
    ready = False
    while not (url and ledger and ready):
        line = (await output.readline()).decode().rstrip()
        if not line:
            raise DemoFailed("the fleet ended:\n" + "\n".join(said))
        said.append(line)
        if line.startswith("listening on "):
            url = line.split()[2]
        if line.startswith("ledger: at "):
            ledger = line.split()[2]
        ready = ready or line == "ready"
    return url, ledger


async def _discard(output: asyncio.StreamReader) -> None:
    while await output.readline():
        pass


async def _send_arms(
    console: Console, url: str, requests: tuple[DeskRequest, ...]
) -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = {}
    with Progress(
        TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=console,
    ) as progress:  # fmt: skip
        for arm in ARMS:
            bar = progress.add_task(
                f"a day, {arm} (model {MODEL_OF_ARM[arm]})", total=len(requests)
            )
            answers[arm] = await send_day(
                url,
                MODEL_OF_ARM[arm],
                requests,
                day_s=DAY_S,
                progress=lambda bar=bar: progress.advance(bar),  # type: ignore[misc]
            )
    return answers


async def _report(
    console: Console,
    ledger: str,
    answers: Mapping[str, list[Answer]],
    declared: Mapping[str, Cost],
    *,
    dearest: str,
    cheapest: str,
) -> int:
    everything = [answer for arm in ARMS for answer in answers[arm]]
    good = [answer for answer in everything if not answer.error]
    asking = Asking(ledger)
    try:
        totals = await asking.settled(len(everything), len(good))
        tasks = await asking.lines("policy", "task")
        parts = await asking.lines("policy", "task", "backend")
    finally:
        await asking.close()
    known = {line.by["policy"] for line in totals}
    (routed,) = known - set(MODEL_OF_ARM.values())
    policies = MODEL_OF_ARM | {"routed": routed}
    arms = [(arm, rows(policies[arm], totals, tasks, parts, time_scale=TIME_SCALE)) for arm in ARMS]
    hours = 24 * 3600 / DAY_S
    console.print()
    print_table(
        console,
        arms,
        currency=declared[dearest].currency,
        title=(
            f"A support desk's day, {len(answers['routed'])} requests an arm, as the ledger has "
            f"it. Time is compressed: the day's arrivals {hours:,.0f} times, the simulated models "
            f"{TIME_SCALE:g} times (latencies are given in model time)."
        ),
    )
    sums = {arm: table[-1] for arm, table in arms}
    console.print(
        f"largest: everything to {dearest}; smallest: everything to {cheapest} (by the prices in "
        "the YAML), each with as many slots as the whole routed fleet.\n"
        "correct: declared in the YAML of the simulated models, not measured on real ones; told "
        "to the ledger as feedback.",
        style="dim",
    )
    console.print(savings(sums["routed"], sums["largest"], sums["smallest"]), style="bold")
    for failure in [answer.error for answer in everything if answer.error][:3]:
        console.print(f"failed: {failure}", style="red")
    billed, booked = bill_nano(good, declared), sum(line.cost_nano for line in totals)
    console.print(balance(billed, booked, declared[dearest].currency))
    return 1 if len(good) < len(everything) or billed != booked else 0


def usual_port(host: str) -> int:
    """8080, which the README's curl names; a free one if somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, USUAL_PORT))
        except OSError:
            return 0
    return USUAL_PORT


async def _demo(*, once: bool, host: str, port: int, count: int, chosen_open: bool) -> int:
    console = Console()
    stop = stop_event()
    source = example()
    known = backends(source)
    dearest, cheapest = extremes(prices(known))
    with tempfile.TemporaryDirectory(prefix="pointsman-demo-") as name:
        folder = Path(shutil.copytree(source, Path(name) / "fleet"))
        for arm, backend in (("largest", dearest), ("smallest", cheapest)):
            model = MODEL_OF_ARM[arm]
            text = baseline(model, known[backend], slots=slots_of(known.values()))
            (folder / f"{model}.yaml").write_text(text)
        declared = prices(backends(folder))
        console.print(f"starting the fleet of {source.name}: {', '.join(sorted(known))}")
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            ready = stack.enter_async_context(fleet(folder, host, port, chosen_open=chosen_open))
            url, ledger = await before(stop, ready)
            console.print(f"ready after {time.monotonic() - began:.1f} s at {url}")
            requests = day(count)
            answers = await before(stop, _send_arms(console, url, requests))
            reporting = _report(
                console, ledger, answers, declared, dearest=dearest, cheapest=cheapest
            )
            status = await before(stop, reporting)
            found = apart(requests)
            for line in lines(found):
                console.print(line, style="dim", highlight=False)
            if once:
                console.print(_WHEN_ONCE, highlight=False)
            else:
                _invite(console, url, ledger, *to_trace(found, requests, answers["routed"]))
                console.print("Serving until Ctrl-C.")
                await stop.wait()
    return status


# Nobody listens any more: no address to try is shown.
_WHEN_ONCE: Final = (
    "\nThat was all. Without ONCE=1 (`make demo`, `pointsman demo`) the fleet goes on serving: with"
    " a console in the browser, reports, and why a request went where it did."
)


def called() -> str:
    """The command as a shell finds it: after `make demo` alone, by its place in the environment."""
    place = Path(sys.argv[0])
    return str(place) if place.name == "pointsman" and not shutil.which(place.name) else "pointsman"


def _invite(console: Console, url: str, ledger: str, decision: str, why: str) -> None:
    console.print("\nTry it:\n")
    if has_console():
        console.print(f"  {ledger}/console/  # in a browser", highlight=False, soft_wrap=True)
    console.print(f"  {called()} report --ledger {ledger}", highlight=False, soft_wrap=True)
    if decision:
        trace = f"  {called()} explain --ledger {ledger} --decision {decision}  # {why}"
        console.print(trace, highlight=False, soft_wrap=True)
    console.print(
        f"  curl -s {url}/chat/completions -H 'content-type: application/json' \\\n"
        '    -d \'{"model": "auto", "messages": [{"role": "user", '
        '"content": "Why does my_list[10] raise IndexError?"}]}\'\n',
        highlight=False,
        soft_wrap=True,
    )


def demo(*, once: bool, host: str, port: int | None, count: int, chosen_open: bool = False) -> int:
    """1 if any request failed or the fleet did not start."""
    try:
        chosen = usual_port(host) if port is None else port
        return run(_demo(once=once, host=host, port=chosen, count=count, chosen_open=chosen_open))
    except (DemoFailed, NotSettled) as error:
        print(error, file=sys.stderr)
        return 1
