"""Ratios and differences are taken within a round, and never with what was not measured."""

from dataclasses import replace

from tests.perf.figures import REST, resting_rows, rows
from tests.perf.loads import Sample
from tests.perf.resting import Resting

SAMPLE = Sample("c32", "nginx", 0, 1.0, 10.0, 0.5, 0.0, 0.5, 1.0, 1.0, 1.0, 0, (), rested=True)


def rounds(proxy: str, *cpu_ms: float, load: str = "c32") -> list[Sample]:
    """One sample for each CPU figure."""
    return [
        replace(SAMPLE, load=load, proxy=proxy, round=n, cpu_ms=ms) for n, ms in enumerate(cpu_ms)
    ]


def test_ratios_are_taken_within_a_round() -> None:
    """The median of the rounds' ratios, whatever one slow round did to both."""
    samples = [*rounds("nginx", 10.0, 40.0, 20.0), *rounds("plain", 20.0, 80.0, 60.0)]
    table = {row["proxy"]: row for row in rows(samples)}

    assert table["plain"]["x_nginx"] == 2.0
    assert table["plain"]["x_nginx_range"] == [2.0, 3.0]
    assert table["plain"]["cpu_ms"] == 60.0
    assert "x_sglang-router" not in table["plain"]
    assert "added_p50_us" not in table["plain"]


def test_the_best_peer_is_the_one_of_each_round_and_never_itself_nor_one_with_errors() -> None:
    """vllm-router in the first round, sglang-router in the second; litellm had errors."""
    samples = [
        *rounds("sglang-router", 60.0, 40.0),
        *rounds("vllm-router", 50.0, 80.0),
        *(replace(sample, errors=1) for sample in rounds("litellm", 1.0, 1.0)),
        *rounds("plain", 25.0, 20.0),
    ]
    table = {row["proxy"]: row for row in rows(samples)}

    assert table["plain"]["x_ai"] == 0.5
    assert table["sglang-router"]["x_ai"] == 0.85


def test_what_a_proxy_adds_is_beyond_direct_and_compared_with_what_nginx_adds() -> None:
    """In the same round; where nginx adds nothing there is no ratio."""
    seen = {"direct": (100.0, 900.0), "nginx": (150.0, 900.0), "plain": (200.0, 950.0)}
    samples = [
        replace(SAMPLE, load="r500", proxy=proxy, p50_us=p50, p99_us=p99)
        for proxy, (p50, p99) in seen.items()
    ]
    table = {row["proxy"]: row for row in rows(samples)}

    assert table["plain"]["added_p50_us"] == 100.0
    assert table["plain"]["added_p50_x_nginx"] == 2.0
    assert table["plain"]["added_p99_us"] == 50.0
    assert "added_p99_x_nginx" not in table["plain"]
    assert "added_p50_us" not in table["direct"]


def test_a_long_prompt_is_compared_with_the_same_rate_without_it() -> None:
    """The p99 of the others, of the same proxy; only in the row of that load."""
    samples = [
        replace(SAMPLE, load="r500", proxy="plain", p99_us=700.0),
        replace(SAMPLE, load="long", proxy="plain", p99_us=2700.0),
    ]
    by = {row["load"]: row for row in rows(samples)}

    assert by["long"]["beside_p99_us"] == 2000.0
    assert "beside_p99_us" not in by["r500"]


def test_starts_are_medians_and_errors_are_summed() -> None:
    """Of three starts of one proxy."""
    start = Resting("plain", 0, 0.3, 36.0, 24.0, 1000, 8.0, 7.0, 0, ())
    found = [start, replace(start, start_s=0.5), replace(start, start_s=0.4, errors=2)]
    (row,) = resting_rows(found)

    assert (row["load"], row["start_s"], row["rss_mib_1000"], row["errors"]) == (REST, 0.4, 8.0, 2)
