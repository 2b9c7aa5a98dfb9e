"""What is known about a model family, and what it makes of a spec that leaves things out."""

from pointsman.api.presets.effective import EffectiveBackend, context_of_slots, effective
from pointsman.api.presets.known import PRESETS, Preset, preset_for
from pointsman.api.presets.profiles import PROFILES, ProfileOf, preset_profile, profile_of

__all__ = [
    "PRESETS",
    "PROFILES",
    "EffectiveBackend",
    "Preset",
    "ProfileOf",
    "context_of_slots",
    "effective",
    "preset_for",
    "preset_profile",
    "profile_of",
]
