"""How the tests of the analysis write a request."""

from pointsman.analysis import Analysis, Prompt, analyze


def ask(
    user: str,
    *,
    system: str = "",
    history: str = "",
    turns: int = 1,
    tools: bool = False,
    images: bool = False,
    json_mode: bool = False,
) -> Analysis:
    """Analyze one request whose length is that of its parts."""
    return analyze(
        Prompt(
            user=user,
            system=system,
            history=history,
            total_chars=len(user) + len(system) + len(history),
            turns=turns,
            tools=tools,
            images=images,
            json_mode=json_mode,
        )
    )
