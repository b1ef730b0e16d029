"""Runs command lines in forks of one process that has imported everything, with faults on request.

Each line on standard input is a JSON list: the arguments, the folder to watch, the moment of the
fault (0: none), whether the disk is full from then on instead of the process being killed, and the
files for the output and for the number of moments. The exit status comes back as a line.
"""

import ctypes
import json
import os
import signal
import sys
from importlib import import_module
from typing import Any


def serve() -> None:
    """Answer requests until standard input ends."""
    from gradpareto.bench.verbs import cli  # noqa: PLC0415 (a worker that is started here does without)

    for verb in cli.VERBS:
        import_module(f"gradpareto.bench.verbs.{verb}")
    import_module("matplotlib.backends.backend_agg")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _begin(*json.loads(line))
            cli.main()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _begin(
    arguments: list[str], folder: str, moment: int, full: bool, output: str, count: str
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), descriptor)
    sys.argv = ["gradpareto", *arguments]
    shim: Any = ctypes.CDLL(None)
    shim.arm(os.fsencode(folder), ctypes.c_long(moment), int(full), os.fsencode(count))


if __name__ == "__main__":
    serve()
