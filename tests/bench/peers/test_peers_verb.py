"""The verb `peers`: its tables with the libraries, and one line without them."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.peers.registry import PEERS, libraries_of, load_peer, missing_of
from gradpareto.bench.verbs import peers
from gradpareto.systems.names import fault_of
from tests.bench.conftest import assert_refused

Call = Callable[..., "subprocess.CompletedProcess[str]"]
LIBRARIES = {name for peer in PEERS for name in libraries_of(peer)}
needs_peers = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, LIBRARIES - {"torchdiffeq"})),
    reason="needs the extra 'peers'",
)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--system", "cartpole"), ("'cartpole' needs: a port",)),
        (("--system", "quadroter"), ("'quadrotor'",)),
        (("--peer", "peer:difrax-tsit5"), ("did you mean 'peer:diffrax-tsit5'?",)),
        (("--estimator", "ctgp"), ("'ctpg'",)),
        (("--system", "lqr", "--theta", "initial"), ("lqr has no preset initial", "perturbed")),
        (("--batch", "0"), ("--batch",)),
        (("--error", "-1"), ("--error", "positive")),
    ],
)
def test_bad_input_is_one_line_and_status_2(call: Call, arguments: tuple, words: tuple) -> None:  # type: ignore[type-arg]
    assert_refused(call("peers", *arguments), *words)


def test_a_missing_library_is_one_line_with_the_command(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for library, peer, command in (
        ("diffrax", "peer:diffrax-tsit5", "pip install 'gradpareto[peers]'"),
        ("torchdiffeq", "peer:torchdiffeq-dopri5", "pip install torchdiffeq"),
    ):
        monkeypatch.setitem(sys.modules, library, None)
        result = call("peers", "--peer", peer, "--out", tmp_path / "run")
        assert_refused(result, library, f"missing: {command}")
        assert not (tmp_path / "run").exists()


def test_torchdiffeq_is_left_out_where_it_is_missing(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: without it the first library that is missing is another one."""
    for library in ("torchdiffeq", "casadi"):
        monkeypatch.setitem(sys.modules, library, None)
    result = call("peers")
    assert_refused(result, "missing: pip install 'gradpareto[peers]'")


def test_nothing_of_a_library_is_imported_before_it_is_used() -> None:
    code = f"import gradpareto.bench.verbs.peers, sys; print(set(sys.modules) & set({LIBRARIES}))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("name", PEERS)
def test_the_name_of_a_peer_can_stand_in_tables(name: str) -> None:
    assert fault_of(name) == ""


@pytest.mark.parametrize("name", PEERS)
def test_every_name_has_a_peer(name: str) -> None:
    if missing_of(name):
        pytest.skip(f"needs {' and '.join(libraries_of(name))}")
    assert load_peer(name).declares.source


@needs_peers
def test_the_tables_of_a_small_comparison(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Truth: both sides reach the error, and a tighter tolerance has a smaller true error."""
    monkeypatch.setattr(peers, "hold_to_one_core", lambda: None)
    out, own = tmp_path / "run", ("--estimator", "bptt-rk4", "--estimator", "bptt")
    others = ("--peer", "peer:casadi-rk4", "--peer", "peer:casadi-cvodes")
    asked = ("--system", "lqr", "--batch", 1, "--batch", 3, "--error", 1e-2, "--samples", 2)
    quick = ("--tolerance", 1e-2, "--tolerance", 1e-5, "--seconds", 0.01)
    result = call("peers", *asked, *own, *others, *quick, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    ratios = pd.DataFrame(json.loads(result.stdout)["ratios"])
    assert ratios.batch.tolist() == [1, 3]
    assert (ratios.estimator == "bptt-rk4").all()
    assert set(ratios.peer) <= set(PEERS)
    for side in ("", "peer_"):
        assert (ratios[f"{side}rel_error"] <= 1e-2).all()
        assert (ratios[f"{side}ms_low"] <= ratios[f"{side}ms"]).all()
    assert (ratios.ratio_low <= ratios.ratio_high).all()
    errors = pd.read_csv(out / "tolerances.csv")
    assert errors.name.unique().tolist() == ["peer:casadi-cvodes"]
    assert errors.rel_error.is_monotonic_decreasing
    assert (errors.evals == errors.f_evals + errors.vjp_evals).all()
    assert np.isfinite(errors.evals).all()
    rows = pd.read_csv(out / "records.csv")
    assert set(rows.name) == {"bptt-rk4", "bptt", "peer:casadi-rk4", "peer:casadi-cvodes"}
    assert "bptt-rk4" in (out / "ratios.md").read_text()
    assert "peer:casadi-cvodes" in (out / "tolerances.md").read_text()
    sessions = json.loads((out / "provenance.json").read_text())["sessions"]
    assert set(sessions[0]["peers"]) == {"casadi"}


@needs_peers
def test_a_peer_is_measured_as_a_plug_in(call: Call, tmp_path: Path) -> None:
    """Truth: RK4 takes a vector-Jacobian product for each of its four stages, in 20 steps."""
    plug_in = "gradpareto.bench.peers.casadi_peers:casadi_rk4"
    asked = ("--system", "lqr", "--theta", "perturbed", "--samples", 2, "--setting", 0.5)
    result = call("sweep", "--estimator", plug_in, *asked, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    records = pd.read_csv(tmp_path / "run" / "records.csv")
    assert records.status.tolist() == ["ok", "ok"]
    assert records.vjp_evals.tolist() == [80, 80]
    assert (records.rel_error < 0.1).all()
