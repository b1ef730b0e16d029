"""Forms of what the command line prints: JSON for programs, tables for people."""

import json
import math
from collections.abc import Mapping
from typing import Any

import click
import numpy as np
from rich.console import Console

WIDTH = 140
"""Columns of the tables where the output is no terminal."""


def print_json(result: Any) -> None:
    """Print JSON; a number that it has no word for (NaN, infinity) becomes null."""
    click.echo(json.dumps(_plain(result), indent=2))


def wide_console() -> Console:
    """The terminal, or a console of WIDTH columns where the output is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
