"""PURE: numbers and times as people read them."""


def rate(per_minute: float) -> str:
    """Requests in a minute; none is said as such."""
    if not per_minute:
        return "0/min"
    digits = 1 if per_minute < 10 else 0
    return f"{per_minute:,.{digits}f}/min" if per_minute >= 0.05 else "<0.1/min"


def percent(share: float) -> str:
    """Of 0 to 1; below a tenth of a percent it is not nothing."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{share * 100:.1f} %" if share % 1 else f"{share * 100:.0f} %"


def milliseconds(value: float) -> str:
    """Seconds from one second on."""
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"
