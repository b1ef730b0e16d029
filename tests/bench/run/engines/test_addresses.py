"""An address that cannot be meant, or where nothing can be done, is one line within seconds."""

import socket
import sys
import time
from pathlib import Path

import pytest

from gradpareto.bench.run.engines.address import checked, local_workers
from tests.bench.conftest import assert_refused

FEW = ("sweep", "--system", "lqr", "--theta", "optimal", "--estimator", "bptt", "--samples", 1)


@pytest.mark.parametrize(
    "address",
    [
        *("local:0", "local:x", "local:-1", "local:", "local:1.5", "local:²", "local:99999999999"),
        *("tcp://", "tcp://host", "tcp://host:x", "tcp://host:0", "tcp://host:99999", "host:8786"),
        *("", "http://host:80", "tcp://a b:1", "tcp://host:8786/x"),
    ],
)
def test_what_is_no_address_is_refused(address: str, tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="local"):
        checked(address)
    given = (*FEW, "--out", tmp_path / "run", "--scheduler", address)
    assert_refused(call(*given), "--scheduler", repr(address))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "workers"), [("local:2", 2), ("tcp://10.0.0.1:8786", 0), ("tls://[::1]:80", 0)]
)
def test_an_address_is_taken_as_it_is(address: str, workers: int) -> None:
    assert checked(address) == address
    assert local_workers(address) == workers


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "1.5"])
def test_no_jobs_are_refused(jobs: str, tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call(*FEW, "--out", tmp_path / "run", "--jobs", jobs), "--jobs")


def test_where_nobody_listens(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started, address = time.monotonic(), f"tcp://127.0.0.1:{port}"
    found = call(*FEW, "--out", tmp_path / "run", "--scheduler", address)
    assert_refused(found, f"no Dask scheduler answers at {address} within 5 s")
    assert time.monotonic() - started < 20


def test_where_somebody_else_listens(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    """It takes the connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        found = call(*FEW, "--out", tmp_path / "run", "--scheduler", address)
    assert_refused(found, f"no Dask scheduler answers at {address} within 5 s")


def test_without_the_extra(
    tmp_path: Path,
    call,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "distributed" or ".engines.dask_" in name:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    found = call(*FEW, "--out", tmp_path / "run", "--scheduler", "local:2")
    assert_refused(found, "needs distributed: pip install 'gradpareto[dask]'")
