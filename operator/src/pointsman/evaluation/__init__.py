"""PURE: statistics about backends. No I/O, no clock, no dice: the caller brings what was seen."""
