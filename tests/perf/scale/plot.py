"""How the costs grow with the fleet, as a picture for docs/scale.md."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from tests.perf.scale.measure import Figures

_PANELS: tuple[tuple[str, float | None, Callable[[Figures], float]], ...] = (
    ("cold start, s", 30, lambda f: f.cold_start_s),
    ("edit to all acks, p99 ms", 250, lambda f: f.edit_p99_ms),
    ("operator CPU for one edit, ms", None, lambda f: f.edit_cpu_ms),
    ("operator at rest, % of a core", 5, lambda f: f.idle_cpu_percent),
    ("operator, MiB resident", 200, lambda f: f.rss_mib),
    ("router: switch of one policy, ms", None, lambda f: f.swap_one_ms),
)


def draw(path: Path, found: Sequence[Figures]) -> None:
    """Write the PNG; a dashed line is the target at the largest size."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.6))
    sizes = [one.backends for one in found]
    for axis, (title, most, of) in zip(axes.flat, _PANELS, strict=True):
        axis.plot(sizes, [of(one) for one in found], marker="o")
        if most is not None:
            axis.axhline(most, linestyle="--", linewidth=0.8, color="gray")
        axis.set(title=title, xscale="log", xlabel="backends", ylim=(0, None))
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
