"""The rule for the names of systems, presets, estimators and plug-ins."""

import re

LONGEST = 100
"""The most characters of a name."""
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""A name that is typed on the command line beside other text, such as NAME-FORM or NAME=SETTING."""


def fault_of(name: object) -> str:
    """Say why a name cannot stand in tables, figures and records; "" if it can.

    A name is a text of 1 to 100 characters that can be printed in a line, without spaces at its
    ends.
    """
    if not isinstance(name, str):
        return f"is of type {type(name).__name__}, not a text"
    faults = {
        "is empty": not name,
        f"has {len(name)} characters, more than {LONGEST}": len(name) > LONGEST,
        "has a line break or another character that cannot be printed": not name.isprintable(),
        "begins or ends with a space": name != name.strip(),
    }
    return next((fault for fault, holds in faults.items() if holds), "")


def fault_of_word(name: object) -> str:
    """Say why a plug-in cannot have a name; "" if it can.

    The rule is that of `fault_of`, and the name has only letters of ASCII, digits, _ and -.
    """
    if isinstance(name, str) and name and not WORD.fullmatch(name):
        return "has other characters than letters of ASCII, digits, _ and -, or begins with -"
    return fault_of(name)


def shown(name: object) -> str:
    """Write a name as a message shows it: in quotes, and cut if it is long."""
    text = repr(name)
    return text if len(text) < LONGEST else f"{text[:20]}..."
