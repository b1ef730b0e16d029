"""An interrupt at any moment of a command: one true line, status 130, and nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.faults.injection import HERE, assert_same_records, chosen

PATIENCE = 120.0
SWEEP = ["sweep", "--system", "lqr", "--theta", "optimal", "--estimator", "ctpg"]
SWEEP += ["--estimator", "bptt", "--setting", "0.1", "--setting", "0.01", "--samples", "2"]
LEARN = ["learn", "lqr", "--iterations", "30", "--horizon", "2"]
SOONER = [0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
MOMENTS = SOONER + [1.0 + k / 4 for k in range(17)]
BEGUN = "begun"
# The command `gradpareto`, which says so when it answers interrupts.
COMMAND = f"""import os
from gradpareto import command
command.INTERRUPTS.watch()
os.write(2, b"{BEGUN}\\n")
command.main()"""
NOTHING = "nothing had begun"
CELLS = "finished cells are kept, and the same command continues"
ANEW = "nothing is kept of its work, and the same command starts anew"
COMMANDS = {
    "sweep": (SWEEP, CELLS),
    "learn": (
        LEARN,
        "what it had learned at its last checkpoint is kept, and the same command continues",
    ),
    "reproduce": (
        ["reproduce", "3", "--quick"],
        "what had been learned at the last checkpoint is kept, and the same command continues; "
        "figure 2 starts anew",
    ),
    "check": (["check", "bptt"], ANEW),
    "reference": (
        ["reference", "quadrotor"],
        "references that were certified are kept, and the same command continues",
    ),
    "overhead": (["overhead", "--system", "lqr"], ANEW),
}
FOLDERS = {"sweep": "--out", "learn": "--out", "reproduce": "--out", "reference": "--cache"}


@dataclass
class Command:
    """A command in a process group of its own, and the file of what it says."""

    process: subprocess.Popen[bytes]
    output: Path

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def started(arguments: list[str], output: Path) -> Command:
    """Start a command, and wait until it answers interrupts."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=HERE.parents[1],
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    while f"{BEGUN}\n" not in output.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return Command(process, output)


def in_group(group: int) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        try:
            if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def assert_answered(command: Command, status: int, word: str, kept: str) -> bool:
    """Assert that a command was interrupted as it should be. Return False if it ended before."""
    process = command.process
    process.wait(PATIENCE)
    said = command.output.read_text()
    deadline = time.monotonic() + PATIENCE
    while left := in_group(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    if process.returncode == 0:
        return False
    lines = [line for line in said.splitlines() if line and not line[:1].isdigit()]
    assert lines[0] == BEGUN
    assert lines[1:] in ([f"gradpareto: {word}; {told}"] for told in (NOTHING, kept)), said
    assert process.returncode == status
    return True


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_at_any_moment(name: str, tmp_path: Path) -> None:
    arguments, kept = COMMANDS[name]
    count = 10 if name == "sweep" else 8
    for index in chosen(len(MOMENTS), count):
        folder = tmp_path / f"run{index}"
        where = [FOLDERS[name], str(folder)] if name in FOLDERS else []
        command = started([*arguments, *where], tmp_path / "said")
        time.sleep(MOMENTS[index - 1])
        command.send(signal.SIGINT)
        assert_answered(command, 130, "interrupted", kept)


@pytest.mark.parametrize("name", ["sweep", "learn"])
def test_an_interrupted_run_continues_to_the_same_records(name: str, tmp_path: Path) -> None:
    arguments, kept = COMMANDS[name]
    whole_run = started([*arguments, "--out", str(tmp_path / "whole")], tmp_path / "said")
    assert whole_run.process.wait(PATIENCE) == 0
    folder, moment = tmp_path / "run", 1.0
    while True:
        command = started([*arguments, "--out", str(folder)], tmp_path / "said")
        time.sleep(moment)
        command.send(signal.SIGINT)
        if not assert_answered(command, 130, "interrupted", kept):
            break
        moment *= 1.5
    assert_same_records(folder, tmp_path / "whole")


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("moment", [0.3, 2.0])
def test_a_second_interrupt(moment: float, pause: float, tmp_path: Path) -> None:
    command = started([*SWEEP, "--out", str(tmp_path / "run")], tmp_path / "said")
    time.sleep(moment)
    command.send(signal.SIGINT)
    time.sleep(pause)
    command.send(signal.SIGINT)
    assert_answered(command, 130, "interrupted", CELLS)


@pytest.mark.parametrize("moment", [0.1, 1.0, 2.0, 3.0])
def test_a_termination_is_answered_alike(moment: float, tmp_path: Path) -> None:
    command = started([*SWEEP, "--out", str(tmp_path / "run")], tmp_path / "said")
    time.sleep(moment)
    command.process.terminate()
    assert_answered(command, 143, "terminated", CELLS)
