"""The digest of a system's code changes with all that its numbers depend on, and with no more.

Each system here is in files of its own, of which one is changed on disk while the process goes on
with the code that it has loaded.
"""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradpareto.reference.cache import cache_key
from gradpareto.systems import Problem
from gradpareto.systems import code_digest as module_under_test
from gradpareto.systems.code_digest import code_digest
from gradpareto.systems.description import describe

MAIN = "the_tank/tank.py"
TANK = """
{imports}
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from gradpareto.systems import Policy, System, Task

@dataclass(frozen=True)
class Tank({base}):
    horizon: float = 1.0
    {field}
    state_dim = control_dim = observation_dim = 1
    def flow(self, t, x, u):
        {body}
        return u - x, (x * x + u * u)[:, 0]
    def pullback(self, t, x, u, a, c):
        return -a + 2 * c[:, None] * x, a + 2 * c[:, None] * u
    def sample_x0(self, rng, samples):
        return rng.standard_normal((samples, 1))
    def terminal(self, x):
        # a comment
        return x[:, 0]

TASK = Task(Tank(), Policy((1, 1), ("identity",)), {{"one": lambda policy: np.ones(2)}})
"""
COMPILED = f"the_tank/compiled{EXTENSION_SUFFIXES[0]}"
JOINED = "np.loadtxt(Path(__file__).parent / 'data' / 'gains.csv')"
OF_OS = "import os; open(os.path.join(os.path.dirname(__file__), 'data', 'gains.csv'))"
DATA = {"the_tank/data/gains.csv": "1"}

# What the module imports, what its flow does, and the files besides; the first of them is changed.
REACHED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a module beside": ({"imports": "import the_tank.gains"}, {"the_tank/gains.py": "G = 1"}),
    "a module by a relative import": (
        {"imports": "from .gains import G"},
        {"the_tank/gains.py": "G = 1"},
    ),
    "a module of the package above": (
        {"imports": "from .inner import deep"},
        {
            "the_tank/gains.py": "G = 1",
            "the_tank/inner/deep.py": "from ..gains import G",
            "the_tank/inner/__init__.py": "",
        },
    ),
    "a module of a package": (
        {"imports": "from . import gains"},
        {"the_tank/gains.py": "G = 1"},
    ),
    "a module of another project": ({"imports": "import other"}, {"other.py": "G = 1"}),
    "a module that a module imports": (
        {"imports": "import other"},
        {"the_tank/gains.py": "G = 1", "other.py": "import the_tank.gains"},
    ),
    "a module imported inside a function, when it is called": (
        {"body": "from the_tank.inner.late import G"},
        {"the_tank/inner/late.py": "G = 1", "the_tank/inner/__init__.py": ""},
    ),
    "a module imported by its name": (
        {"body": "import importlib; importlib.import_module('.late', __package__)"},
        {"the_tank/late.py": "G = 1"},
    ),
    "the package that a module is in": (
        {"body": "import the_tank.inner.late"},
        {"the_tank/inner/__init__.py": "G = 1", "the_tank/inner/late.py": ""},
    ),
    "a base class": (
        {"imports": "from other import Base", "base": "Base"},
        {"other.py": "from gradpareto.systems import System\nclass Base(System): G = 1"},
    ),
    "a base class's base class, found by no import": (
        {"imports": "import other", "base": "other.Named"},
        {
            "further.py": "from gradpareto.systems import System\nclass Base(System): G = 1",
            "other.py": "from importlib import import_module as load\n"
            "class Named(load('fur' + 'ther').Base): pass",
        },
    ),
    "a function in a field": (
        {"imports": "import other", "field": "law: object = other.LAWS['G']"},
        {
            "further.py": "def law(x): return 1 * x",
            "other.py": "from importlib import import_module as load\n"
            "LAWS = {'G': load('fur' + 'ther').law}",
        },
    ),
    "a compiled module": ({"body": "from . import compiled"}, {COMPILED: "machine code 1"}),
    "a data file in a folder": ({"body": JOINED}, DATA),
    "a data file by os.path": ({"body": OF_OS}, DATA),
    "a data file at import": ({"imports": "G = open(__file__[:-7] + 'data/gains.csv')"}, DATA),
    "a data file beside": (
        {"body": "open(Path(__file__).with_name('gains.txt'))"},
        {"the_tank/gains.txt": "1"},
    ),
    "data files by a pattern": (
        {"body": "[*(Path(__file__).parent / 'data').glob('gains*.csv')]"},
        DATA,
    ),
    "data files with a number in their names": (
        {"body": "open(Path(__file__).parent / 'data' / f'gains{t}.csv')"},
        {"the_tank/data/gains1.csv": "1"},
    ),
    "data files by format": (
        {"body": "open(Path(__file__).parent / 'data' / 'g{}s-%03d.csv'.format(t))"},
        {"the_tank/data/gains-012.csv": "1"},
    ),
    "a data file by its suffix": (
        {"body": "open(Path(__file__).with_suffix('.csv'))"},
        {"the_tank/tank.csv": "1"},
    ),
    "a data file above": (
        {"body": "open(Path(__file__).parents[1] / 'tables' / 'gains.csv')"},
        {"tables/gains.csv": "1"},
    ),
    "a data file that a module imported reads": (
        {"imports": "import other"},
        {"gains.csv": "1", "other.py": "G = open(__file__[:-8] + 'gains.csv')"},
    ),
    "a data file declared": (
        {"field": "data_files = ('data/' + 'gains' + '.csv',)"},
        DATA,
    ),
    "a data file declared alone": ({"field": "data_files = 'data/' + 'gains' + '.csv'"}, DATA),
    "a data folder declared": ({"field": "data_files = ('da' + 'ta',)"}, DATA),
    "a data file in a field": ({"field": "table: str = 'data/gain' + 's.csv'"}, DATA),
}
UNRELATED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a module beside that nothing imports": ({}, {"the_tank/gains.py": "G = 1"}),
    "a data file that nothing names": ({}, DATA),
    "files of any kind": ({"body": "f'{t}.{x}'; '*.*'"}, DATA),
    "a module of the standard library's name elsewhere": (
        {"imports": "import json"},
        {"elsewhere/json.py": "G = 1"},
    ),
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Write the files, import the system's module, and return it; forget all of them at the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def make(parts: dict[str, str], files: dict[str, str]) -> Any:
        told = {"imports": "", "base": "System", "field": "", "body": ""} | parts
        for name, content in {
            MAIN: TANK.format(**told),
            "the_tank/__init__.py": "",
            **files,
        }.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        importlib.invalidate_caches()
        return importlib.import_module("the_tank.tank")

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def key(module: Any) -> str:
    return cache_key(module.TASK.problem("one"), np.ones((1, 1)))


@pytest.mark.parametrize(("parts", "files"), REACHED.values(), ids=REACHED)
def test_the_key_of_a_reference_changes_with(
    parts: dict[str, str], files: dict[str, str], made: Callable[..., Any], tmp_path: Path
) -> None:
    module = made(parts, files)
    changed, before = tmp_path / next(iter(files)), key(module)
    content = changed.read_text()
    changed.write_text(content.replace("1", "2"))
    assert key(module) != before
    changed.write_text(content)
    assert key(module) == before


@pytest.mark.parametrize(("parts", "files"), UNRELATED.values(), ids=UNRELATED)
def test_the_key_of_a_reference_stays_with(
    parts: dict[str, str], files: dict[str, str], made: Callable[..., Any], tmp_path: Path
) -> None:
    module = made(parts, files)
    before = key(module)
    (tmp_path / next(iter(files))).write_text("2")
    assert key(module) == before


def test_comments_docstrings_and_layout_do_not_count_and_code_does(
    made: Callable[..., Any], tmp_path: Path
) -> None:
    module = made({}, {})
    path, before = tmp_path / MAIN, key(module)
    source = path.read_text()
    for old, new in (("# a comment", "# another\n"), ("@dataclass", "'''Told.'''\n\n\n@dataclass")):
        path.write_text(source.replace(old, new))
        assert key(module) == before
    for old, new in (
        ("u - x", "u + x"),
        ("1.0", "True"),
        ("2 * c", "2.0 * c"),
        ("2 * c", "'2' * c"),
        ("{", "{None: 1, "),
    ):
        path.write_text(source.replace(old, new))
        assert key(module) != before


def test_modules_of_one_another_s_contents_are_told_apart(
    made: Callable[..., Any], tmp_path: Path
) -> None:
    files = {"the_tank/a.py": "G = 1", "the_tank/b.py": "G = 2"}
    module = made({"imports": "from . import a, b"}, files)
    before = key(module)
    for name, content in zip(files, reversed(files.values()), strict=True):
        (tmp_path / name).write_text(content)
    assert key(module) != before


def test_files_of_data_can_be_left_out_where_code_writes_them_as_it_runs(
    made: Callable[..., Any], tmp_path: Path
) -> None:
    module = made({"body": JOINED}, DATA)
    before = code_digest((), [module], with_data=False)
    (tmp_path / next(iter(DATA))).write_text("2")
    assert code_digest((), [module], with_data=False) == before
    (tmp_path / MAIN).write_text((tmp_path / MAIN).read_text() + "G = 1\n")
    assert code_digest((), [module], with_data=False) != before


def test_a_data_file_of_another_name_is_another(made: Callable[..., Any], tmp_path: Path) -> None:
    module = made({"field": "data_files = ('da' + 'ta',)"}, DATA)
    before = key(module)
    (tmp_path / "the_tank/data/gains.csv").rename(tmp_path / "the_tank/data/losses.csv")
    assert key(module) != before


def test_an_installed_package_counts_by_its_version_and_one_s_own_by_its_files(
    made: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))
    files = {"site-packages/a_library.py": "__version__ = '1'", "site-packages/own_one.py": "G = 1"}
    module = made({"imports": "import a_library"}, files)
    before = key(module)
    (site / "a_library.py").write_text("__version__ = '1'\nG = 1")
    assert key(module) == before
    module_under_test._version.cache_clear()
    monkeypatch.setattr(sys.modules["a_library"], "__version__", "2")
    assert key(module) != before
    own = importlib.import_module("own_one")
    digest = code_digest((), [own])
    (site / "own_one.py").write_text("G = 2")
    assert code_digest((), [own]) != digest


def test_a_system_of_the_suite_does_not_depend_on_the_others(tmp_path: Path) -> None:
    """Truth: the files of a copy of the suite that a digest in a new process depends on."""
    root = Path(__file__).parents[2]
    for folder in ("systems", "estimators", "reference", "gradpareto"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    (tmp_path / "bench").mkdir()
    keys = {"before": _key_in_copy(tmp_path)}
    changes = {
        "systems/heat.py": "MORE = 1\n",
        "systems/__init__.py": "MORE = 1\n",
        "systems/policy.py": "MORE = 1\n",
        "systems/quadrotor.py": "MORE = 1\n",
        "reference/ivp.py": "MORE = 1\n",
        "reference/cache.py": "MORE = 1\n",
    }
    for name, more in changes.items():
        path = tmp_path / name
        source = path.read_text()
        path.write_text(source + more)
        keys[name] = _key_in_copy(tmp_path)
        path.write_text(source)
    same = {name for name, found in keys.items() if found == keys["before"]}
    assert same == {"before", "systems/heat.py", "systems/__init__.py", "reference/cache.py"}


def _key_in_copy(root: Path) -> str:
    script = (
        "import numpy as np; from gradpareto.systems import TASKS\n"
        "from gradpareto.reference import cache_key\n"
        "print(cache_key(TASKS['quadrotor'].problem('initial'), np.ones((1, 10))))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return result.stdout


def test_what_cannot_be_told_apart_is_refused(made: Callable[..., Any]) -> None:
    module = made({"field": "data_files = ('gone.csv',)"}, {})
    with pytest.raises(ValueError, match=r"data_files of Tank names .*gone\.csv: no such file"):
        key(module)
    (Path(module.__file__).parent / "gone.csv").write_text("1")
    policy = module.TASK.policy

    class Inner(module.Tank):  # type: ignore[misc]
        pass

    inner = Problem(Inner(), policy, np.zeros(policy.size), 1.0)
    with pytest.raises(TypeError, match="define it at the top of a module"):
        cache_key(inner, np.ones((1, 1)))
    for value in (lambda: 0, object(), np.array([object()])):
        with pytest.raises(TypeError, match="cannot tell one"):
            describe(value)


def test_a_script_s_class_is_described_alike_in_a_worker_process() -> None:
    """The worker imports the script by another name; both compute the key of one reference."""
    kinds = [type("Tank", (), {"__module__": name}) for name in ("__main__", "__mp_main__")]
    assert len(set(map(describe, kinds))) == 1
