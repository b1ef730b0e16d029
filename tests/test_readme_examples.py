"""The examples of the README and of results/plug-ins.md run as they stand.

A block of code begins with a comment that names its file.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradpareto.bench.conformance.kit import CHECKS, run_check
from gradpareto.bench.plugins import PLUGINS, resolve
from gradpareto.estimators import ESTIMATORS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TEXT = README + (ROOT / "results" / "plug-ins.md").read_text()
FILES = dict(re.findall(r"```(?:python|toml)\n# (\w+\.\w+)\n(.*?)```", TEXT, flags=re.DOTALL))
"""File name to content."""
LIBRARY = re.findall(r"```python\n(import .*?)```", README, flags=re.DOTALL)
COMMANDS = list(
    dict.fromkeys(
        " ".join(shlex.split(line, comments=True))
        for line in re.findall(r"^    gradpareto (.*(?:\.py:|tank).*)$", TEXT, flags=re.MULTILINE)
    )
)
FORMS = {
    "my_estimator.py:my_euler": [""],
    "my_solver.py:MySolver": ["-ctpg", "-gauss_adjoint", "-backsolve"],
    "my_tableau.py:MyTableau": ["-bptt", "-ctpg", "-backsolve"],
}
"""The plug-ins, with some of the forms that each has."""
SYSTEMS = {
    "van_der_pol.py:VanDerPol": "SymPy",
    "two_link.py:TwoLink": "SymPy",
    "my_system.py:TASK": "",
    "my_simulator.py:Simulated": "differences",
}
"""The systems, with the maker of each one's derivatives ("" if they are derived by hand)."""
CHECKED_SYSTEMS = [["check", name] for name in SYSTEMS]
MOST_LINES = 25
"""The lines of a system from its flow alone."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Outside the repository, with the files of all blocks, and what `pip install -e .` adds."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    named = f"Name: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{named}")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with the repository and the folder importable as once installed."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_there_is_an_example_of_each_kind() -> None:
    plug_ins = {name.partition(":")[0] for name in FORMS}
    systems = {name.partition(":")[0] for name in SYSTEMS}
    assert set(FILES) == plug_ins | systems | {"pyproject.toml"}
    assert len(LIBRARY) == 1
    checked = {shlex.split(line)[1] for line in COMMANDS if line.startswith("check ")}
    assert checked == {*FORMS, *SYSTEMS}
    assert {shlex.split(line)[0] for line in COMMANDS} == {
        "check",
        "choose",
        "compare",
        "learn",
        "overhead",
        "pareto",
        "reference",
    }


def test_the_conformance_kit_is_run_as_the_page_says(folder: Path) -> None:
    command = "check my_estimator.py:my_euler"
    assert command in COMMANDS
    result = run(folder, "-m", "gradpareto", *shlex.split(command), "--json", "--jobs", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [row["estimator"] for row in json.loads(result.stdout)] == ["my_euler"]


@pytest.fixture
def plug_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[str, ...]]]:
    """Register an object of a file here, and forget it, and its folder, after the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    held = dict(ESTIMATORS), dict(PLUGINS)
    yield lambda name: resolve(str(folder / name))
    for registered, before in zip((ESTIMATORS, PLUGINS), held, strict=True):
        registered.clear()  # type: ignore[attr-defined]
        registered.update(before)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name, forms in FORMS.items() if len(forms) > 1])
def test_each_plug_in_passes_the_conformance_kit_in_all_its_forms(plug_in, name: str) -> None:  # type: ignore[no-untyped-def]
    """The first form passes every check, and the gradient of each other one is right.

    Memory takes most of the time to trace, and the tests of traits hold it for every class. What
    else a form has to keep is its class's, and held for every class by the tests of the kit.
    """
    names = plug_in(name)
    assert {name.partition(":")[2] + form for form in FORMS[name]} <= set(names)
    findings = [
        (form, run_check(check, ESTIMATORS[form]))
        for number, form in enumerate(names)
        for check in CHECKS
        if check == "gradient" or (number == 0 and check != "memory")
    ]
    assert {finding.status for _, finding in findings} <= {"passed", "noted"}, findings


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("compare ")])
def test_each_comparison_finds_that_the_new_one_dominates(folder: Path, command: str) -> None:
    words = shlex.split(command)
    # As they stand they take a minute: here they are on six samples and one preset, and the plan of
    # the whole field takes no times.
    theta = ["--theta", "optimal"] if "lqr" in words else []
    options = ("--samples", "6", "--plan", "field", "--jobs", "1", "--json")
    result = run(folder, "-m", "gradpareto", *words, *theta, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    verdicts = json.loads(result.stdout)
    new = words[1].partition(":")[2]
    forms = {new + form for form in FORMS[words[1]]} if words[1] in FORMS else {words[1]}
    assert {verdict["new"] for verdict in verdicts} == forms
    assert "dominates" in {verdict["answer"] for verdict in verdicts}


@pytest.mark.parametrize(
    "command",
    [
        line
        for line in COMMANDS
        if line.split()[0] in ("overhead", "reference") or line.split() in CHECKED_SYSTEMS
    ],
)
def test_each_other_command_runs(folder: Path, command: str) -> None:
    # An overhead is of up to 256 lanes: here of two.
    batch = ["--batch", "2"] if command.startswith("overhead") else []
    result = run(folder, "-m", "gradpareto", *shlex.split(command), *batch)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("learn ")])
def test_a_system_from_its_flow_alone_is_learned(folder: Path, command: str) -> None:
    """The held-out loss falls by a factor of two or more. As it stands it takes a minute."""
    name = shlex.split(command)[1]
    assert len(FILES[name.partition(":")[0]].splitlines()) <= MOST_LINES
    options = ("--iterations", "40", "--json")
    result = run(folder, "-m", "gradpareto", *shlex.split(command), *options)
    assert result.returncode == 0, result.stderr
    assert f"is made by {SYSTEMS[name]}" in result.stderr
    rows = json.loads(result.stdout)
    assert [row["estimator"] for row in rows] == ["ctpg", "bptt-rk4"]
    assert all(2 * row["heldout_after"] < row["heldout_before"] for row in rows)


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("choose ")])
def test_an_estimator_is_chosen_for_a_system(folder: Path, command: str) -> None:
    few = ("--samples", "2", "--calls", "512", "--json")
    result = run(folder, "-m", "gradpareto", *shlex.split(command), *few)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert all(row["rel_error"] <= row["error"] == 1e-6 for row in rows)
    assert {row["system"] for row in rows} == {"van_der_pol-VanDerPol"}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("pareto ")])
def test_a_system_from_its_flow_alone_is_traced(folder: Path, command: str) -> None:
    few = ("--estimator", "ctpg", "--estimator", "bptt", "--samples", "6", "--jobs", "1")
    result = run(folder, "-m", "gradpareto", *shlex.split(command), *few)
    assert result.returncode == 0, result.stderr
    assert "ctpg dominates bptt" in " ".join(result.stdout.split())
    held = json.loads((folder / "runs" / "two_link" / "provenance.json").read_text())
    made = held["system_plugins"]["two_link-TwoLink"]
    assert made["derivatives"]["flow"].startswith("SymPy")
    assert made["times_comparable"] is True


def test_the_library_example_runs_as_it_would_in_a_notebook(folder: Path) -> None:
    # As it stands it measures both to their finest settings: here it is at four of them.
    whole, few = "samples=8)", "samples=8, settings=(1, 0.1, 0.01, 0.001))"
    assert whole in LIBRARY[0]
    result = run(folder, "-c", LIBRARY[0].replace(whole, few))
    assert result.returncode == 0, result.stderr
    error, sentence = result.stdout.splitlines()
    assert 0 < float(error) < 1e-2
    assert sentence.startswith("lqr (optimal): ctpg dominates bptt")
    assert (folder / "lqr.png").stat().st_size > 10_000
