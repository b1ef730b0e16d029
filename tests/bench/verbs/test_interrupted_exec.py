"""An interrupt that comes while Python runs a text, as it does to make a dataclass."""

import subprocess
import sys
from pathlib import Path

INTERRUPTED = """
import click, sys
from gradpareto.bench.verbs import list as verbs_list
from gradpareto.command import main

@click.command()
def verb():
    exec("import os, signal; os.kill(os.getpid(), signal.SIGINT)\\nwhile True: pass")

verbs_list.verb = verb
sys.argv = ["gradpareto", "list"]
main()
"""


def test_the_status_is_130_wherever_the_interrupt_came(tmp_path: Path) -> None:
    """Truth: the status of an interrupted command.

    CPython remembers an interrupt of a text, though it was caught, and ends `python -m` by SIGINT.
    """
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    command = [sys.executable, "-m", "interrupted"]
    found = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert found.stderr.startswith("gradpareto: interrupted; ")
    assert found.stderr.count("\n") == 1
    assert found.returncode == 130
