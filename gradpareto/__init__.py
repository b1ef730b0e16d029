"""Which gradient estimator to use for a controlled ODE: accuracy against cost, measured.

Names are imported when they are first used; `__init__.pyi` lists them with their types.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
