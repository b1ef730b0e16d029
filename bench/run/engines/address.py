"""The address of a Dask scheduler, as the command line and a script give it."""

import re

LOCAL = "local:"
MOST_WORKERS = 10_000


def checked(text: str) -> str:
    """Return an address that can be meant. Raises ValueError, which says how one looks."""
    if text.startswith(LOCAL):
        count = text.removeprefix(LOCAL)
        if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= MOST_WORKERS):
            raise ValueError(
                f"{text!r} has no number of workers from 1 to {MOST_WORKERS:,}, as local:2 has"
            )
        return text
    found = re.fullmatch(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", text)
    if not found or not 1 <= int(found[3]) <= 65535:
        raise ValueError(f"{text!r} is neither tcp://HOST:PORT nor local:N")
    return text


def local_workers(address: str) -> int:
    """Return the number of workers of local:N, and 0 for the address of a scheduler."""
    return int(address.removeprefix(LOCAL)) if address.startswith(LOCAL) else 0
