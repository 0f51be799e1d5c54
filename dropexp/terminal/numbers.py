"""Numbers as a reader wants to see them: losses, accuracies, durations."""


def number(value: float, sign: str = "") -> str:
    """A loss or an accuracy: three decimals, or three digits where that would be too long."""
    return f"{value:{sign}.3g}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
