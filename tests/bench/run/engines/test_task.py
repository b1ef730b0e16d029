"""Values that tasks share are sent once, and both ends know which are kept."""

import os
import pickle

import pytest

from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import (
    MOST_KEPT,
    Died,
    Limited,
    Shared,
    Task,
    remember,
    shared,
)


def test_a_shared_value_reaches_each_task_and_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    big, sent = shared(b"x" * 1_000_000), list[int]()
    keep = pickle.dumps

    def weighed(value: object) -> bytes:
        packed = keep(value)
        sent.append(len(packed))
        return packed

    monkeypatch.setattr("gradpareto.bench.run.engines.processes.pickle.dumps", weighed)
    with Processes(1) as executor:
        futures = [executor.submit(len, big) for _ in range(5)]
        assert [one.result() for one in futures] == [len(big.packed)] * 5
    assert len([size for size in sent if size > 1_000_000]) == 1


def test_more_values_than_are_kept_are_sent_again() -> None:
    values = [shared(b"x" * (k + 1)) for k in range(MOST_KEPT + 3)]
    with Processes(1) as executor:
        for _ in range(2):
            futures = [executor.submit(len, one) for one in values]
            assert [one.result() for one in futures] == [len(one.packed) for one in values]


def test_the_latest_values_are_kept() -> None:
    kept: dict[str, bytes] = {}
    for k in range(MOST_KEPT):
        remember(kept, [(str(k), bytes([k]))])
    remember(kept, [("0", None), ("new", b"n")])
    assert list(kept) == [*map(str, range(2, MOST_KEPT)), "0", "new"]
    assert kept["0"] == b"\0"


def test_a_task_is_packed_with_its_limit() -> None:
    task = Task.of(Limited(len, 3.0), [Shared("key", b"12")])
    assert (task.seconds, [one.key for one in task.shared]) == (3.0, ["key"])
    assert b"12" not in task.packed
    assert Limited(len, 3.0)("abc") == 3


def test_how_a_process_ended_can_be_sent() -> None:
    for error in (Died(-9), Died(None, "was lost")):
        again = pickle.loads(pickle.dumps(error))
        assert (again.exitcode, str(again)) == (error.exitcode, str(error))


def test_an_executor_keeps_the_contract_of_the_standard_library() -> None:
    with Processes(2) as executor:
        assert list(executor.map(abs, [-1, -2, -3])) == [1, 2, 3]
        with pytest.raises(TypeError, match="no arguments by name"):
            executor.submit(int, "7", base=8)
    with pytest.raises(RuntimeError, match="after the shutdown"):
        executor.submit(os.getpid)
    blocked = Processes(1)
    blocked.submit(os.getpid).result()
    waiting = [blocked.submit(Limited(os.getpid)) for _ in range(50)]
    blocked.shutdown(cancel_futures=True)
    assert all(one.done() for one in waiting)
