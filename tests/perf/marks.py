"""A part of a page that a command writes, between two marks."""


def placed(page: str, text: str, *, begin: str, end: str) -> str:
    """The page with this text between its marks; ValueError if it has not both."""
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page lacks {begin.strip()} or {end.strip()} after it")
    return f"{before}{begin}\n{text}\n{end}{after}"
