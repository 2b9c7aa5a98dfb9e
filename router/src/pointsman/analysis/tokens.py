"""How many tokens a request will cost, without a tokenizer.

Guarantees an estimate that grows with the text and needs no table of a model's vocabulary.
Refuses exactness: 20 % off is usual, code and numbers are underestimated most.
"""

from pointsman.analysis.scripts import Scripts

# Characters for one token, general knowledge of today's byte-pair vocabularies (100k-200k entries):
# English prose 4 to 4.5, Cyrillic about 2.5, Indic scripts and Thai about 2, Chinese 1 to 1.5.
ASCII_CHARS = 4.0
ACCENTED_CHARS = 2.0
_CHARS: dict[str, float] = {
    "Cyrillic": 2.5,
    "Greek": 2.0,
    "Hebrew": 2.0,
    "Arabic": 2.5,
    "Han": 1.5,
    "Kana": 1.5,
    "Hangul": 1.5,
}
OTHER_CHARS = 2.0
# OpenAI's published chat format: 3 tokens around each message and 3 before the answer.
MESSAGE_TOKENS = 4
# OpenAI's published cost of one 1024 x 1024 image in high detail.
IMAGE_TOKENS = 765


def tokens_per_char(sample: str, scripts: Scripts) -> float:
    """Return the estimated tokens of one character of text like this sample (0.25 for ASCII)."""
    if not sample or (not scripts.characters and not scripts.accented):
        return 1 / ASCII_CHARS
    foreign = sum(scripts.characters.values())
    tokens = (len(sample) - foreign - scripts.accented) / ASCII_CHARS
    tokens += scripts.accented / ACCENTED_CHARS
    for name, characters in scripts.characters.items():
        tokens += characters / _CHARS.get(name, OTHER_CHARS)
    return max(tokens, 1.0) / len(sample)
