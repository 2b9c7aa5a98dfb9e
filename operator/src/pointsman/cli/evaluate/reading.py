"""From files and flags to what is run. Raises Unusable, whose text says what is wrong."""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pointsman.api.manifests import Item, Loaded, Severity, load
from pointsman.api.names import ANNOTATION_LOCAL_ADDRESS
from pointsman.api.spelling import did_you_mean
from pointsman.api.v1alpha1 import EvaluationSuite, ModelBackend, Prices
from pointsman.cli.evaluate.drawing import NotDrawn, drawn
from pointsman.cli.suites import lines_of, source_of
from pointsman.evaluation.running.asking import Endpoint
from pointsman.evaluation.running.runner import Plan, Target
from pointsman.evaluation.suite.calls import asks_judge
from pointsman.evaluation.suite.content import Drawing, Suite, compile_suite
from pointsman.evaluation.suite.spending import TokenPrices, prices_at, token_prices


class Unusable(Exception):
    """What the files or flags say cannot be run."""


def read(options: argparse.Namespace) -> tuple[str, Plan]:
    """The suite's name, and the plan."""
    loaded = read_files(options.paths)
    item = _chosen(loaded, options.suite)
    try:
        drawing = drawn(options, item.value)
    except NotDrawn as error:
        raise Unusable(str(error)) from None
    return item.value.metadata.name, planned(options, loaded, compiled(item, loaded, drawing))


def read_files(paths: Sequence[str]) -> Loaded:
    """What is in files and folders; none may be wrong."""
    loaded = load(paths)
    wrong = [str(one) for one in loaded.problems if one.severity is Severity.ERROR]
    if wrong:
        raise Unusable("\n".join(wrong))
    return loaded


def planned(options: argparse.Namespace, loaded: Loaded, suite: Suite) -> Plan:
    """Whom to ask this suite, where, and at what prices."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    backends = {one.value.metadata.name: one.value for one in loaded.backends}
    prices = {
        name: prices_at(one.spec.cost, now)
        for name, one in backends.items()
        if one.spec.cost is not None
    }
    targets = _targets(options, backends, prices)
    judge = _judge(options, suite, targets, prices)
    _money(options, [*targets, *([judge] if judge else [])])
    return Plan(
        suite=suite,
        targets=targets,
        judge=judge,
        runs=options.runs,
        concurrency=min(options.concurrency, 256),
    )


def _chosen(loaded: Loaded, name: str | None) -> Item[EvaluationSuite]:
    names = [one.value.metadata.name for one in loaded.suites]
    if name is None:
        if len(names) == 1:
            return loaded.suites[0]
        many = f"say which with --suite: {', '.join(names)}" if names else "give one with -f"
        raise Unusable(f"{len(names) or 'no'} EvaluationSuites in these files; {many}")
    if name not in names:
        raise Unusable(f"no EvaluationSuite {name} in these files{did_you_mean(name, names)}")
    return loaded.suites[names.index(name)]


def compiled(item: Item[EvaluationSuite], loaded: Loaded, drawing: Drawing | None = None) -> Suite:
    """The suite with the lines of its ConfigMap, which has to be in the files too."""
    lines, source = lines_of(item.value, loaded), source_of(item.value)
    if source and lines is None:
        position = item.position("spec.configMapRef")
        raise Unusable(f"{position}: spec.configMapRef: no {source} in these files")
    found = compile_suite(item.value.spec, lines, source, drawing)
    if isinstance(found, Suite):
        return found
    raise Unusable("\n".join(f"{item.position(one.path)}: {one}" for one in found))


def _targets(
    options: argparse.Namespace,
    backends: Mapping[str, ModelBackend],
    prices: Mapping[str, TokenPrices],
) -> list[Target]:
    if bool(options.url) == bool(options.backend):
        raise Unusable("give --url with --model, or --backend: one of them")
    if options.url and not options.model:
        raise Unusable("--url needs --model: what to ask for there")
    if options.backend and options.model:
        raise Unusable("--model belongs to --url; a backend has its own")
    named = options.model or options.backend
    if len(set(named)) != len(named):
        raise Unusable("a name is given twice")
    own = token_prices(_prices(options.price), options.currency) if options.price else None
    if options.url:
        key = _keys(options.api_key_env, [], same=True)("")
        endpoint = Endpoint(url=options.url, key=key)
        return [
            Target(name=model, model=model, endpoint=endpoint, price=own,
                   prices={} if own else prices)
            for model in options.model
        ]  # fmt: skip
    found = [(name, _backend(name, backends)) for name in options.backend]
    urls = {name: _url(one) for name, one in found}
    key_of = _keys(options.api_key_env, options.backend, same=len(set(urls.values())) == 1)
    return [
        Target(
            name=name,
            model=one.spec.model,
            endpoint=Endpoint(url=urls[name], key=key_of(name)),
            price=own or prices.get(name),
        )
        for name, one in found
    ]


def _backend(name: str, backends: Mapping[str, ModelBackend]) -> ModelBackend:
    if name not in backends:
        raise Unusable(f"no ModelBackend {name} in these files{did_you_mean(name, list(backends))}")
    return backends[name]


def _url(backend: ModelBackend) -> str:
    name = backend.metadata.name
    if backend.spec.external is not None:
        if backend.spec.external.ca_bundle is not None:
            raise Unusable(f"{name} has a caBundle: evaluate it through a router, with --url")
        return backend.spec.external.url.rstrip("/")
    address = backend.metadata.annotations.get(ANNOTATION_LOCAL_ADDRESS)
    if address:
        return f"http://{address}/v1"
    raise Unusable(
        f"{name} has no URL of its own: evaluate it through a router, with --url and a --model "
        "that leads to it"
    )


def _keys(given: Sequence[str], backends: Sequence[str], *, same: bool) -> Any:
    """Backend -> its API key. One for all only where all are at one URL."""
    found: dict[str, str] = {}
    for text in given:
        backend, equals, variable = text.rpartition("=")
        if equals and backend not in backends:
            hint = did_you_mean(backend, list(backends))
            raise Unusable(f"--api-key-env {text}: no --backend {backend}{hint}")
        if not equals and not same:
            raise Unusable(
                f"--api-key-env {text}: the backends are at several URLs, and a key is for one of "
                "them: write BACKEND=NAME"
            )
        found[backend] = _variable(variable)
    return lambda backend: found.get(backend, found.get("", ""))


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise Unusable(f"the environment has no {name}")
    if not value.isascii() or not value.isprintable():
        raise Unusable(f"{name} holds what cannot stand in a header")
    return value


def _judge(
    options: argparse.Namespace,
    suite: Suite,
    targets: Sequence[Target],
    prices: Mapping[str, TokenPrices],
) -> Target | None:
    """Where the judge of the suite is; None for a suite that asks none."""
    if suite.judge is None or not any(asks_judge(one.checks) for one in suite.prompts.values()):
        return None
    url = options.judge_url or options.url
    if url is None:
        raise Unusable("the suite asks a judge: say where it is, with --judge-url")
    key = _variable(options.judge_api_key_env) if options.judge_api_key_env else ""
    if not key and _host(url) == _host(targets[0].endpoint.url):
        key = targets[0].endpoint.key
    own = token_prices(_prices(options.judge_price), options.currency)
    return Target(
        name="judge",
        model=suite.judge.model,
        endpoint=Endpoint(url=url, key=key),
        price=own if options.judge_price else None,
        prices={} if options.judge_price else prices,
    )


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _prices(pair: tuple[str, str] | None) -> Prices:
    into, out = pair or ("0", "0")
    return Prices(input_per_million=into, output_per_million=out)


def _money(options: argparse.Namespace, targets: Sequence[Target]) -> None:
    """A cap needs prices of all, in one currency."""
    known = [
        price
        for one in targets
        for price in ([one.price] if one.price else [*(one.prices or {}).values()])
    ]
    if options.max_cost is None:
        return
    unpriced = [one.name for one in targets if one.price is None and not one.prices]
    if unpriced:
        flag = "--judge-price" if unpriced == ["judge"] else "--price"
        raise Unusable(
            f"--max-cost needs prices of {', '.join(unpriced)}: {flag} IN/OUT, or ModelBackends "
            "with cost in the files"
        )
    others = {one.currency for one in known} - {options.currency}
    if others:
        raise Unusable(
            f"--max-cost is in {options.currency}, and prices are in {', '.join(sorted(others))}"
        )
