"""Options to choose from: whether a message lists them.

Guarantees a few searches, whatever the length. Refuses to say which of them is right.
"""

# A second and a third option, whatever their number and the way they are marked.
_LISTED = tuple((mark, (f"b{mark}", f"c{mark}"), (f"2{mark}", f"3{mark}")) for mark in ").:")


def lists_options(lower: str) -> bool:
    """Whether a second and a third option may stand in the lower-case text."""
    for mark, (b, c), (two, three) in _LISTED:
        if mark in lower and ((b in lower and c in lower) or (two in lower and three in lower)):
            return True
    return False
