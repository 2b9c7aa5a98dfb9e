"""What a backend's requests are changed by, as it travels in the RoutingTable.

The same as in v1alpha1/promptprofile.py with the preset filled in, without a validation library.
"""

from typing import Final, Literal

import msgspec

_BYTES_A_TOKEN: Final = 3
"""Of added text; a character of Chinese has as many, and is not more than a token."""
OUTPUT: Final = ("max_completion_tokens", "max_tokens")
"""One parameter under two names; the router reads the first where both are given."""
Form = Literal["", "EnableThinkingKwarg", "ThinkingKwarg", "ThinkingType", "EnableThinking"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One member of a body; `default`, `min` and `max` are JSON, empty where there is none."""

    name: str
    rename: str = ""
    remove: bool = False
    default: str = ""
    min: str = ""
    max: str = ""

    def __post_init__(self) -> None:
        """What would break a body breaks the table; TypeError or DecodeError."""
        if self.default:
            msgspec.json.decode(self.default)
        for bound in filter(None, (self.min, self.max)):
            if not isinstance(msgspec.json.decode(bound), int | float):
                raise TypeError(f"parameter {self.name}: {bound} is no number")


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """Empty is: leave it as it is."""

    prefix: str = ""
    suffix: str = ""
    replacement: str = ""
    developer: Literal["", "system", "user"] = ""
    """What the role becomes."""
    system: Literal["", "user"] = ""
    """The same, and of developer messages too."""
    parameters: tuple[Parameter, ...] = ()
    stop: tuple[str, ...] = ()
    form: Form = ""
    """How this backend is told whether to think; a caller's other form is put into this one."""
    thinking: bool | None = None
    """Of requests that do not say."""
    reasoning: Literal["", "Drop", "Fill"] = ""
    """What becomes of the reasoning of earlier answers."""

    @property
    def text_bytes(self) -> int:
        """Of the system text that it may add."""
        return sum(len(text.encode()) for text in (self.prefix, self.suffix, self.replacement))

    @property
    def text_tokens(self) -> int:
        """About, and rather too many."""
        return -(-self.text_bytes // _BYTES_A_TOKEN)

    def output_tokens(self, said: int) -> int:
        """The longest answer that the backend is asked for; 0 is: it does not say."""
        for parameter in self.parameters:
            if parameter.name in OUTPUT or parameter.rename in OUTPUT:
                if parameter.remove:
                    return 0
                said = said or _whole(parameter.default)
                if said:
                    said = max(said, _whole(parameter.min))
                    said = min(said, _whole(parameter.max) or said)
        return said

    @property
    def margin_tokens(self) -> int:
        """By how much a request may grow at most, prompt and answer together."""
        grown = [
            max(_whole(one.default), _whole(one.min))
            for one in self.parameters
            if one.name in OUTPUT or one.rename in OUTPUT
        ]
        return self.text_tokens + max(grown, default=0)


def _whole(number: str) -> int:
    return int(float(number)) if number and number[0] not in '"tf' else 0
