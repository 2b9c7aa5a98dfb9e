"""PURE: golden suites: what is asked, what an answer is worth, and what all answers say together.

Nothing here asks a model, reads a clock or a file. What was not answered is never a wrong answer:
it has no score, and a reason (`Missing`).
"""
