"""Every registered system is of a kind, and one from elsewhere may say of which."""

from dataclasses import replace

import pytest

from gradpareto.systems import OPTIONAL, TASKS
from gradpareto.systems.kinds import KINDS, OF_SYSTEM, UNDECLARED, kind_of
from gradpareto.systems.lqr import LQR


def test_every_system_has_a_kind_and_every_kind_a_system() -> None:
    assert set(OF_SYSTEM) == set(TASKS) | set(OPTIONAL)
    assert set(OF_SYSTEM.values()) == set(KINDS)


class Rough(LQR):
    kind = "kinked"


class Odd(LQR):
    kind = "odd"


@pytest.mark.parametrize(
    ("system", "kind"), [(Rough, "kinked"), (Odd, UNDECLARED), (LQR, UNDECLARED)]
)
def test_a_system_from_elsewhere_declares_its_kind(
    monkeypatch: pytest.MonkeyPatch, system: type[LQR], kind: str
) -> None:
    given = TASKS["lqr"].system
    held = {name: getattr(given, name) for name in ("A", "B", "Q", "R", "Q_T", "horizon")}
    monkeypatch.setitem(TASKS, "mine", replace(TASKS["lqr"], system=system(**held)))
    assert kind_of("mine") == kind


def test_a_name_that_is_not_registered_has_no_kind() -> None:
    assert kind_of("mine") == UNDECLARED
