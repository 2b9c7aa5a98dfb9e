"""The figures as Markdown: what the command prints, and writes into docs/scale.md with DOCS=1."""

from collections.abc import Sequence
from pathlib import Path

from tests.perf import marks
from tests.perf.scale.measure import Figures, told
from tests.perf.scale.targets import TARGETS, shown, verdict

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
BEGIN = "<!-- what follows is written by `DOCS=1 python -m tests.perf.scale` -->\n"
END = "<!-- until here -->\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def growth(found: Sequence[Figures]) -> str:
    """One row for each size."""
    head = ("backends, policies, routers", "cold start s (CPU s)", "edit p50, p99 ms",
            "backend edit p50, p99 ms", "CPU ms and writes for an edit", "at rest % of a core",
            "RSS (PSS) MiB", "restart s")  # fmt: skip
    rows = [
        [
            f"{f.backends}, {f.policies}, {f.routers}",
            f"{f.cold_start_s:.1f} ({f.cold_cpu_s:.1f})",
            f"{f.edit_p50_ms:.0f}, {f.edit_p99_ms:.0f}",
            f"{f.backend_edit_p50_ms:.0f}, {f.backend_edit_p99_ms:.0f}",
            f"{f.edit_cpu_ms:.0f}, {f.edit_writes:.1f}",
            f"{f.idle_cpu_percent:.1f}",
            f"{f.rss_mib:.0f} ({f.pss_mib:.0f})",
            f"{f.restart_s:.1f}",
        ]
        for f in found
    ]
    return _table(head, rows)


def tables(found: Sequence[Figures]) -> str:
    """The RoutingTable of each size, and a router's time with it."""
    head = ("policies", "manifest KiB", "blobs KiB, packed", "one Ack KiB",
            "first switch ms", "switch of one policy ms", "router RSS MiB")  # fmt: skip
    rows = [
        [
            str(f.policies), f"{f.manifest_bytes / 1024:.1f}", f"{f.blob_bytes / 1024:.1f}",
            f"{f.ack_bytes / 1024:.1f}", f"{f.swap_first_ms:.1f}", f"{f.swap_one_ms:.2f}",
            f"{f.router_rss_mib:.0f}",
        ]
        for f in found
    ]  # fmt: skip
    return _table(head, rows)


def targets(figures: Figures) -> str:
    """Each target beside its value, of one size."""
    rows = [
        [one.what, shown(one, figures), f"{one.most:g}",
         verdict(one, figures)]
        for one in TARGETS
    ]  # fmt: skip
    return _table(("what", "seen", "at most", ""), rows)


def markdown(found: Sequence[Figures], *, date: str, command: str, load: float) -> str:
    """All of it."""
    last = found[-1]
    text = (
        f"{date}, `{command}`: {last.edits} edits; load average of the machine at the end "
        f"{load:.1f}, this run's own work included.\n\n"
    )
    text += growth(found) + "\n" + tables(found) + f"\nOf {last.backends} backends:\n\n"
    text += targets(last) + "\n"
    text += f"- writes of the cold start: {told(last.cold_writes)}\n"
    text += f"- writes in {last.idle_s:.0f} s of rest: {told(last.idle_writes)}\n"
    text += f"- writes of a restart: {told(last.restart_writes)}\n"
    return text


def placed(page: str, text: str) -> str:
    """The page with this text between its marks; ValueError if it has not both."""
    return marks.placed(page, text, begin=BEGIN, end=END)
