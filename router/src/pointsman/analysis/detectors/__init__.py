"""The detectors, one file for each kind of evidence; analysis.py has their order and the reasons.

Each is a function from `Facts` to a `Verdict`, or None where it is unsure.
Refuses state and order: a detector does not know what was asked before it.
"""
