"""Real pods take minutes, and a machine that lets them: `python -m tests.pods` asks for them."""

import os

VARIABLE = "POINTSMAN_PODS"
collect_ignore_glob = [] if os.environ.get(VARIABLE) else ["real/*"]
