"""Texts written for the token estimate: of each kind one to fit its rates on, one to test them.

The counts of real tokenizers are in token_counts.csv, taken once by `python -m tests.perf.tokens`.
"""

import json
from pathlib import Path

_TEXTS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
FIT: dict[str, str] = _TEXTS["fit"]
HELD_OUT: dict[str, str] = _TEXTS["held_out"]
