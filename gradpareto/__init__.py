"""Which gradient estimator to use for a controlled ODE: accuracy against cost, measured.

Names are imported when they are first used; `__init__.pyi` lists them with their types. Nothing at
all is imported before, so that the command line answers an interrupt at once.
"""


def __getattr__(name: str) -> object:
    import lazy_loader  # noqa: PLC0415

    get, _, names = lazy_loader.attach_stub(__name__, __file__)
    return names if name == "__all__" else get(name)


def __dir__() -> list[str]:
    import lazy_loader  # noqa: PLC0415

    names: list[str] = lazy_loader.attach_stub(__name__, __file__)[2]
    return names
