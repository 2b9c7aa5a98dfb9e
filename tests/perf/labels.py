"""Domain and complexity against what public rows say; a part of `python -m tests.perf.analysis`.

Domain: MMLU's subjects, mapped by hand; DEVELOPED ones were looked at while the word lists were
written, the others never. Complexity: whether a strong model is better where the score is higher
(area under the curve, 0.5 is chance), and the rank correlation with the mean score of nine models.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointsman.analysis import Complexity, Domain, Prompt, analyze

_SUBJECTS = {
    Domain.SOFTWARE: "computer_security college_computer_science high_school_computer_science "
    "machine_learning",
    Domain.MATHEMATICS: "abstract_algebra college_mathematics elementary_mathematics gsm8k "
    "high_school_mathematics high_school_statistics formal_logic",
    Domain.SCIENCE: "astronomy college_biology college_chemistry college_physics "
    "conceptual_physics electrical_engineering high_school_biology high_school_chemistry "
    "high_school_physics",
    Domain.MEDICINE: "anatomy clinical_knowledge college_medicine human_aging medical_genetics "
    "nutrition professional_medicine virology",
    Domain.LAW: "international_law jurisprudence professional_law",
    Domain.FINANCE: "econometrics high_school_macroeconomics high_school_microeconomics "
    "professional_accounting",
    Domain.GENERAL: "business_ethics global_facts high_school_european_history "
    "high_school_geography high_school_government_and_politics high_school_psychology "
    "high_school_us_history high_school_world_history human_sexuality logical_fallacies "
    "management marketing miscellaneous moral_disputes moral_scenarios philosophy prehistory "
    "professional_psychology public_relations security_studies sociology us_foreign_policy "
    "world_religions",
}
SUBJECT_DOMAIN = {
    subject: domain for domain, subjects in _SUBJECTS.items() for subject in subjects.split()
}
DEVELOPED = frozenset(
    (
        "abstract_algebra",
        "astronomy",
        "clinical_knowledge",
        "college_chemistry",
        "college_mathematics",
        "college_medicine",
        "conceptual_physics",
        "econometrics",
        "formal_logic",
        "gsm8k",
        "high_school_biology",
        "high_school_computer_science",
        "high_school_macroeconomics",
        "high_school_psychology",
        "high_school_us_history",
        "jurisprudence",
        "machine_learning",
        "marketing",
        "miscellaneous",
        "moral_scenarios",
        "philosophy",
        "virology",
    )
)
Rows = list[dict[str, str]]


def rows_of(path: Path) -> Rows:
    """The rows of a compressed table."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def auc(scores: Sequence[float], flags: Sequence[bool]) -> float:
    """The chance that a flagged row has the higher score; ties count half."""
    ranks = _ranks(scores)
    flagged = [rank for rank, flag in zip(ranks, flags, strict=True) if flag]
    positive, negative = len(flagged), len(flags) - len(flagged)
    if not positive or not negative:
        return 0.5
    return (sum(flagged) - positive * (positive + 1) / 2) / (positive * negative)


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """The correlation of the ranks, -1..1; 0 where one side is constant."""
    first, second = _ranks(left), _ranks(right)
    mean = (len(first) + 1) / 2
    cross = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    spread = sum((a - mean) ** 2 for a in first) * sum((b - mean) ** 2 for b in second)
    return float(cross / spread**0.5) if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks


def _ask(text: str) -> Any:
    return analyze(Prompt(user=text, total_chars=len(text)))


def domains(rows: Rows) -> dict[str, Any]:
    """Print how often each subject's domain is found; return the shares."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    for row in rows:
        subject = row["domain"]
        if subject not in SUBJECT_DOMAIN:
            continue
        found = _ask(row["prompt"]).domain
        total[subject] += 1
        right[subject] += found is SUBJECT_DOMAIN[subject]
        confused[SUBJECT_DOMAIN[subject], found] += 1
    shares = {subject: right[subject] / total[subject] for subject in total}
    print(f"\n{'domain, by the truth':24}" + "".join(f"{name:>12}" for name in Domain))
    for truth in Domain:
        line = [confused[truth, found] for found in Domain]
        if sum(line):
            print(f"{truth:24}" + "".join(f"{count / sum(line):12.1%}" for count in line))
    figures: dict[str, Any] = {"subjects": shares}
    for name, seen in (("developed", True), ("held_out", False)):
        chosen = [shares[subject] for subject in shares if (subject in DEVELOPED) is seen]
        named = [
            shares[subject]
            for subject in shares
            if (subject in DEVELOPED) is seen and SUBJECT_DOMAIN[subject] is not Domain.GENERAL
        ]
        figures[name] = sum(chosen) / len(chosen)
        print(
            f"domain right, mean over {len(chosen)} {name.replace('_', ' ')} subjects:"
            f" {figures[name]:.1%}; of the {len(named)} with a field of their own:"
            f" {sum(named) / len(named):.1%}"
        )
    return figures


def complexity(pairs: Rows, nine: Rows) -> dict[str, Any]:
    """Print what the score has to do with the scores of models; return the figures."""
    print(
        f"\n{'complexity':24}{'rows':>7}{'AUC':>7}   of: the strong model is better, the weak not"
    )
    figures: dict[str, Any] = {}
    by_bench: dict[str, Rows] = defaultdict(list)
    for row in pairs:
        by_bench[row["bench"]].append(row)
        if row["bench"] == "mmlu" and row["domain"] not in (
            "moral_scenarios",
            "high_school_mathematics",
        ):
            by_bench["mmlu without artefacts"].append(row)
    for bench, rows in by_bench.items():
        flags = [float(row["strong"]) > float(row["weak"]) for row in rows]
        found = [_ask(row["prompt"]) for row in rows]
        figures[bench] = auc([one.complexity_score for one in found], flags)
        length = auc([len(row["prompt"]) for row in rows], flags)
        print(f"{bench:24}{len(rows):7}{figures[bench]:7.3f}   length alone {length:.3f}")
    models = [name for name in nine[0] if name not in ("prompt", "task")]
    found = [_ask(row["prompt"]) for row in nine]
    means = [sum(float(row[name] or 0) for name in models) / len(models) for row in nine]
    scores = [one.complexity_score for one in found]
    figures["spearman"] = spearman(scores, means)
    print(
        f"rank correlation with the mean score of {len(models)} models, {len(nine)} rows:"
        f" {figures['spearman']:+.3f} (wanted: negative); of length:"
        f" {spearman([len(row['prompt']) for row in nine], means):+.3f}"
    )
    levels: dict[str, Counter[Complexity]] = defaultdict(Counter)
    for row, one in zip(nine, found, strict=True):
        levels[row["task"]][one.complexity] += 1
    print(f"\n{'level by data set':24}" + "".join(f"{name:>10}" for name in Complexity))
    for task, counts in sorted(levels.items()):
        shares = (counts[name] / counts.total() for name in Complexity)
        print(f"{task:24}" + "".join(f"{share:10.0%}" for share in shares))
    return figures


def report(folder: Path) -> dict[str, Any] | None:
    """Print all of it; None where the data is absent."""
    pairs, nine = folder / "routellm_pairs.csv.gz", folder / "llmrouter_9models.csv.gz"
    if not (pairs.is_file() and nine.is_file()):
        print("domain and complexity: not run: their tables are not in the shared data folder")
        return None
    rows = rows_of(pairs)
    return {"domain": domains(rows), "complexity": complexity(rows, rows_of(nine))}
