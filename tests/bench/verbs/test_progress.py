"""Progress tells cells, failures and the time that is left, in a pipe as well."""

import pytest

from gradpareto.bench.verbs import progress as telling


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h"), (4e5, "5 days")],
)
def test_a_duration_has_one_unit(seconds: float, told: str) -> None:
    assert telling._duration(seconds) == told


def test_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(telling.time, "monotonic", lambda: now[0])
    with telling.progress() as report:
        for done, failures in ((1, 0), (20, 3), (39, 3), (40, 3)):
            now[0] = 30.0 * done
            report(f"cell[{done}]", done, 40, failures)
    assert capsys.readouterr().err.splitlines() == [
        "20/40 cell[20], 3 failed, about 10 min left",
        "40/40 cell[40], 3 failed",
    ]
