"""Reasons in one line that can be printed, whatever they are made of."""

LONGEST = 200
MARK = "\N{REPLACEMENT CHARACTER}"


def in_a_line(text: str, longest: int = LONGEST) -> str:
    """Return the first line of a text, cut, with a mark for what cannot be shown."""
    start = str.__getitem__(text, slice(4 * longest))  # plain, whatever class the text is of
    line = (start.splitlines() or [""])[0][:longest]
    return "".join(letter if letter.isprintable() else MARK for letter in line)


def reason_of(error: BaseException) -> str:
    """Return what was raised in one line: the type of the exception, and what it says."""
    return in_a_line(f"{type(error).__name__}: {message_of(error)}")


def message_of(error: BaseException) -> str:
    """Return what an exception says, in one line, even if it raises when it is asked."""
    try:
        return in_a_line(str(error))
    except BaseException as second:
        return in_a_line(f"its message cannot be read, which raises {type(second).__name__}")
