"""What is known about a model family, and what it makes of a spec that leaves things out."""

from pointsman.api.presets.effective import EffectiveBackend, effective
from pointsman.api.presets.known import PRESETS, Preset, preset_for

__all__ = ["PRESETS", "EffectiveBackend", "Preset", "effective", "preset_for"]
