"""Oracle calls as made by hand: one module for each family, and BY_HAND from name to formula."""

from importlib import import_module
from pkgutil import iter_modules

from tests.estimators.by_hand.counting import ByHand

BY_HAND: dict[str, ByHand] = {}
for _module in iter_modules(__path__, f"{__name__}."):
    BY_HAND |= getattr(import_module(_module.name), "BY_HAND", {})
