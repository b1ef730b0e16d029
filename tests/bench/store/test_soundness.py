"""Records that contradict themselves are refused, with the file, the row and the fault."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradpareto.bench.store.file_names import inside
from gradpareto.bench.store.record import COLUMNS
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import TEXTS, read_records, rows_text
from gradpareto.bench.store.soundness import check_records
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import ROOT, without_checksums

SHARED = {"samples": 2, "seed": 0}
Call = Callable[..., Any]


@pytest.mark.parametrize("run", ["default", "published"])
def test_published_records_are_sound(run: str) -> None:
    assert len(RunFolder(ROOT / "results" / run).read_cells()) > 6000


@pytest.fixture
def published(small_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A published run of schema 3, which has no checksums: any record can be written into it."""
    return without_checksums(small_run, tmp_path / "run")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a sample twice": ({"sample": 0}, "another record of it"),
    "a sample that the run does not have": ({"sample": 7}, "the run has 2 samples"),
    "a sample below zero": ({"sample": -1}, "the run has 2 samples"),
    "a negative count": ({"f_evals": -40}, "f_evals are -40"),
    "a huge count": ({"f_evals": 2**53}, "f_evals are 9007199254740992"),
    "another sum": ({"evals": 81}, "its evals are 81, not the sum of its counts"),
    "steps below zero": ({"steps": -1}, "its steps are -1"),
    "no such status": ({"status": "fine"}, "there is no status 'fine'"),
    "no such knob": ({"knob": "dial"}, "there is no knob 'dial'"),
    "another knob": ({"knob": "tolerance"}, "its estimator has two knobs"),
    "no error": ({"rel_error": np.nan}, "it is ok, without rel_error"),
    "no loss": ({"loss": np.nan}, "it is ok, without loss"),
    "no uncertainty": ({"reference_uncertainty": np.nan}, "without reference_uncertainty"),
    "an infinite error": ({"rel_error": np.inf}, "one of its errors is infinite"),
    "an infinite loss": ({"loss": -np.inf}, "its loss is infinite"),
    "another error": ({"abs_error": 0.5}, "not that of its two blocks"),
    "a negative error": ({"rel_error": -0.5}, "its rel_error is negative"),
    "a negative time": ({"wall_s": -1e-9}, "its wall_s is negative"),
    "infinite bytes": ({"peak_bytes": np.inf}, "its peak_bytes is infinite"),
    "an ok with a reason": ({"reason": "it was hard"}, "it is ok, with a reason"),
    "a failure without a reason": ({"status": "raised"}, "it is raised, without a reason"),
    "a failure with an error": (
        {"status": "raised", "reason": "RuntimeError: trouble"},
        "it is raised, with loss",
    ),
    "a zero with a relative error": (
        {"status": "zero", "reason": "the true gradient is zero"},
        "it is zero, with rel_error",
    ),
    "an uncertified one without a reason": ({"status": "uncertified"}, "without a reason"),
    "a foreign seed": ({"seed": 1}, "its seed is 1, that of the run is 0"),
    "a setting of zero": ({"setting": 0.0}, "its setting is not positive and finite"),
    "a setting below zero": ({"setting": -0.5}, "its setting is not positive and finite"),
    "an infinite setting": ({"setting": np.inf}, "its setting is not positive and finite"),
    "no setting": ({"setting": np.nan}, "its setting is not positive and finite"),
    "another cell of one sample": ({"setting": 0.75}, "its cell lacks a sample before it"),
    "no name": ({"system": ""}, "the system '' is empty"),
    "a name of two lines": ({"estimator": "bptt\nctpg"}, "has a line break"),
    "a long name": ({"theta": "x" * 101}, "has 101 characters"),
    "a name with a space": ({"system": "lqr "}, "begins or ends with a space"),
    "a name that formats": ({"system": "{loss.__class__}\n"}, "has a line break"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_contradiction_is_refused_at_its_row(fault: str, small_run: RunFolder) -> None:
    """The changed row is the second sample of a cell, which is row 3 of the file."""
    changes, complaint = FAULTS[fault]
    table = check_records(small_run.read_cells(), SHARED, Path("records.csv"))
    for column, value in changes.items():
        table.loc[1, column] = value
    with pytest.raises(UnusableFolder, match=r"^records.csv, row [23]: sample ") as told:
        check_records(table, SHARED, Path("records.csv"))
    assert complaint in str(told.value)
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "verb", [("pareto", "--redraw", "--out"), ("matrix", "--out"), ("verify",)]
)
def test_it_is_refused_by_every_verb_in_one_line(
    verb: tuple[str, ...], published: RunFolder, call: Call
) -> None:
    published.records_path.write_text(published.records_path.read_text().replace(",ok,", ",odd,"))
    result = call(*verb, published.path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"gradpareto: {published.records_path}, row 2: sample 0 of")
    assert result.stderr.count("\n") == 1


SWEEP = ("sweep", "--system", "lqr", "--theta", "optimal", "--estimator", "bptt", "--samples", 2)
VERBS = ((*SWEEP, "--out"), ("matrix", "--out"), ("pareto", "--redraw", "--out"), ("verify",))
DEEP = "[" * 30 + "]" * 30
WRONG_PROVENANCE = {
    "a list": "[]",
    "a text": '"run"',
    "a number": "3",
    "null": "null",
    "nothing": "",
    "cut short": '{"schema": 3',
    "no UTF-8": b"\xff\xfe{}",
    "a NaN": '{"schema": 3, "shared": {"samples": NaN, "seed": 0}, "sessions": []}',
    "no schema": '{"shared": {}, "sessions": []}',
    "a true schema": '{"schema": true, "shared": {}, "sessions": []}',
    "a schema in words": '{"schema": "3", "shared": {}, "sessions": []}',
    "a long number": '{"schema": %s, "shared": {}, "sessions": []}' % ("9" * 5000),
    "no shared": '{"schema": 3, "sessions": []}',
    "a list of shared": '{"schema": 3, "shared": [], "sessions": []}',
    "no samples": '{"schema": 3, "shared": {"seed": 0}, "sessions": []}',
    "samples in words": '{"schema": 3, "shared": {"samples": "2", "seed": 0}, "sessions": []}',
    "no sample": '{"schema": 3, "shared": {"samples": 0, "seed": 0}, "sessions": []}',
    "half a sample": '{"schema": 3, "shared": {"samples": 1.5, "seed": 0}, "sessions": []}',
    "many samples": '{"schema": 3, "shared": {"samples": 1e400, "seed": 0}, "sessions": []}',
    "a seed in words": '{"schema": 3, "shared": {"samples": 2, "seed": "0"}, "sessions": []}',
    "no sessions": '{"schema": 3, "shared": {"samples": 2, "seed": 0}}',
    "sessions by name": '{"schema": 3, "shared": {"samples": 2, "seed": 0}, "sessions": {}}',
    "a session of text": '{"schema": 3, "shared": {"samples": 2, "seed": 0}, "sessions": ["x"]}',
    "deep": f'{{"schema": 3, "shared": {{"a": {DEEP}}}, "sessions": []}}',
    "very deep": "[" * 100_000,
    **{
        f"code {held}": '{"schema": 3, "shared": {"samples": 2, "seed": 0}, "sessions": [], '
        f'"code": {held}}}'
        for held in ("[]", '{"estimators": []}', '{"estimators": {"bptt": 3}}')
    },
    **{
        f"{part} {held}": '{"schema": 3, "shared": {"samples": 2, "seed": 0}, "sessions": [], '
        f'"{part}": {held}}}'
        for part in ("plugins", "system_plugins")
        for held in ("[]", '{"x": []}', '{"x": {"source": 3, "digest": "", "names": []}}')
    },
    "a path for a digest": '{"schema": 3, "shared": {"samples": 2, "seed": 0}, "sessions": [], '
    '"code": {"estimators": {"bptt": "../../../x"}}}',
}


@pytest.mark.parametrize("wrong", WRONG_PROVENANCE)
def test_a_provenance_of_another_form_is_refused_by_every_verb_in_one_line(
    wrong: str, published: RunFolder, call: Call
) -> None:
    held = WRONG_PROVENANCE[wrong]
    published.provenance_path.write_bytes(held if isinstance(held, bytes) else held.encode())
    before = published.records_path.read_bytes()
    for verb in VERBS:
        result = call(*verb, published.path)
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith("gradpareto: ")
        assert result.stderr.count("\n") == 1
        assert len(result.stderr) < 500
    assert published.records_path.read_bytes() == before


def test_the_folder_of_these_tests_is_sound(published: RunFolder, call: Call) -> None:
    assert call("matrix", "--out", published.path).returncode == 0
    text = json.dumps(published.provenance() | {"code": {}, "plugins": {}})
    published.provenance_path.write_text(text)
    assert call("matrix", "--out", published.path).returncode == 0


BAD_TABLES = {
    "another type": (lambda text: text.replace(",40,", ",forty,", 1), "row 2: its f_evals is"),
    "no integer": (lambda text: text.replace(",40,", ",40.5,", 1), "row 2: its f_evals is"),
    "a value more": (lambda text: text.replace("\nlqr", "\nlqr,lqr", 1), "row 2: it has 29 val"),
    "a value less": (lambda text: text.replace("\nlqr,", "\n", 1), "row 2: it has 27 values"),
    "a null": (lambda text: text.replace("lqr", "l\0r", 1), "row 2: it has a null character"),
    "a bomb": (lambda text: text.replace("lqr", "l" * 10**8, 1), "row 2: it is too long"),
    "a quote": (lambda text: text.replace("lqr", '"lqr', 1), "row "),
    "no header": (lambda text: text.split("\n", 1)[1], "another schema"),
    "nothing": (lambda text: "", "another schema"),
    "a column twice": (lambda text: text.replace("loss", "abs_error", 1), "another schema"),
    "cut short": (lambda text: text[:-5], "is cut short"),
    "another line's end": (lambda text: text.replace("\n", "\r"), "cut short|schema"),
}


@pytest.mark.parametrize("bad", BAD_TABLES)
def test_a_damaged_table_is_refused(bad: str, published: RunFolder) -> None:
    damage, complaint = BAD_TABLES[bad]
    path = published.records_path
    path.write_bytes(damage(path.read_text()).encode())
    with pytest.raises(UnusableFolder, match=complaint) as told:
        published.read_cells()
    assert str(path) in str(told.value)
    assert len(str(told.value)) < 400


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.floats(allow_nan=True), min_size=16, max_size=16),
    counts=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=8, max_size=8),
    texts=st.lists(st.text(max_size=30), min_size=6, max_size=6),
)
def test_rows_are_read_as_they_were_written(
    numbers: list[float], counts: list[int], texts: list[str], tmp_path_factory: Any
) -> None:
    """Numbers exactly, and each text that can be printed in a line."""
    path = tmp_path_factory.mktemp("rows") / "records.csv"
    given_rows = dict(zip(TEXTS, texts, strict=True))
    integers = [n for n in COLUMNS if n in INTEGERS]
    given_rows |= dict(zip(integers, counts, strict=True))  # type: ignore[arg-type]
    floats = [n for n in COLUMNS if n not in (*TEXTS, *INTEGERS)]
    given_rows |= dict(zip(floats, numbers[: len(floats)], strict=True))  # type: ignore[arg-type]
    row = [given_rows[name] for name in COLUMNS]
    path.write_bytes(",".join(COLUMNS).encode() + b"\n" + rows_text([row]))
    read = read_records(path)
    assert len(read) == 1
    for name, value in given_rows.items():
        if name in TEXTS:
            assert not str(value).isprintable() or read[name][0] == value
        else:
            np.testing.assert_array_equal(read[name][0], value)


INTEGERS = ("sample", "seed", "f_evals", "vjp_evals", "jvp_evals", "jac_evals", "evals", "steps")


SPLICES = [b"", b"-", b"9", b",", b"\n", b'"', b"\xff", b"nan", b"e5"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_mutation_of_a_records_file_has_a_traceback(
    data: st.DataObject, small_run: RunFolder, tmp_path_factory: Any
) -> None:
    """It is refused, or what is read is as sound as what any sweep writes."""
    content = bytearray(small_run.records_path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        some = data.draw(st.sampled_from(SPLICES))
        content[at : at + data.draw(st.integers(0, 3))] = some
    path = tmp_path_factory.mktemp("mutated") / "records.csv"
    path.write_bytes(content)
    try:
        table = check_records(read_records(path), SHARED, path)
    except UnusableFolder as error:
        told = str(error)
    else:
        told = str(path)
        assert set(table.status) <= {"ok", "zero"} or (table.reason != "").any()
        pd.testing.assert_index_equal(table.columns, pd.Index(COLUMNS))
    assert told.startswith(str(path))


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "a/../../../x"])
def test_no_path_leaves_its_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(UnusableFolder, match="is not in"):
        inside(folder, *name.split("|"))
    assert inside(folder, "limits", "x.csv") == folder / "limits" / "x.csv"


def test_names_in_records_write_nothing_outside_the_folder(
    published: RunFolder, call: Call, tmp_path: Path
) -> None:
    """The issue: `../../x` as a name wrote nine files outside, one with / lost 44 rows of 46."""
    text = published.records_path.read_text()
    name = "../../x/y"
    published.records_path.write_text(text.replace(",optimal,", f",{name},"))
    path = published.limit_path("lqr", name)
    path.write_text((published.path / "limits" / "lqr.optimal.csv").read_text())
    before = set(tmp_path.rglob("*"))
    assert call("pareto", "--redraw", "--out", published.path).returncode == 0
    new = set(tmp_path.rglob("*")) - before
    assert len(new) > 9
    assert all(published.path in path.parents for path in new)
    assert set(published.read_cells().theta) == {name}


def test_a_link_to_elsewhere_is_not_written_through(published: RunFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(published.path / "limits")
    (published.path / "limits").symlink_to(elsewhere)
    with pytest.raises(UnusableFolder, match="is not in"):
        published.write_limit("lqr", "optimal", pd.DataFrame())
    assert not list(elsewhere.iterdir())
