"""A task of an executor: how long it may take, what it shares with others, and how it may end."""

import hashlib
import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

MOST_KEPT = 8
"""The shared values that a worker process keeps."""


class Died(Exception):  # noqa: N818
    """The process of a task ended before the task was done."""

    def __init__(self, exitcode: int | None, how: str = "") -> None:
        super().__init__(exitcode, how)
        self.exitcode = exitcode
        self.how = how or f"ended with exit code {exitcode}"

    def __str__(self) -> str:
        return f"its process {self.how}"


class TimedOut(Exception):  # noqa: N818
    """A task took more than its time."""


class EngineLost(OSError):  # noqa: N818
    """The engine is gone, or cannot be used: no task says anything about its cell."""


class Workers(Executor):
    """An executor that says how many of its tasks run side by side."""

    @property
    def side_by_side(self) -> int:
        """The number of tasks that run at the same time."""
        raise NotImplementedError

    @property
    def exclusive(self) -> int:
        """The number of `alone` tasks that share no core if nothing else runs."""
        return 1

    @property
    def far(self) -> bool:
        """Whether tasks may run on machines that do not have the files of this one."""
        return False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call fn(*args), which may be `Limited` and take `Shared` values."""
        if kwargs:
            raise TypeError("a task takes no arguments by name")
        return self.begin(fn, args)

    def begin(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        """Have a worker call a function."""
        raise NotImplementedError


@dataclass(frozen=True)
class Limited:
    """A function that an executor ends after some `seconds`, if it is one of this package's.

    One that runs `alone` is sent while nothing else is running, to a worker that is exclusive. One
    with `luggage`, a shared value of `bench.plugins.luggage`, needs it on other machines.
    """

    function: Callable[..., Any]
    seconds: float | None = None
    alone: bool = False
    luggage: "Shared | None" = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the function, without a limit."""
        return self.function(*arguments)


@dataclass(frozen=True, eq=False)
class Shared:
    """A value that many tasks take: it is pickled once, and each worker gets it once.

    A task gets it `packed`, since it may have to load code before it can be unpickled.
    """

    key: str
    packed: bytes


@dataclass(frozen=True)
class Kept:
    """The place of a shared value among the arguments of a task."""

    key: str


def shared(value: object) -> Shared:
    """Return a value in the form in which many tasks take it."""
    packed = pickle.dumps(value)
    return Shared(hashlib.sha256(packed).hexdigest(), packed)


@dataclass(frozen=True)
class Task:
    """A call in pickled form, and the shared values among its arguments."""

    packed: bytes
    shared: tuple[Shared, ...]
    seconds: float | None

    @classmethod
    def of(cls, function: Callable[..., Any], arguments: Iterable[Any]) -> "Task":
        """Pack a function that may be `Limited`. Raises what pickling raises."""
        given = list(arguments)
        limits = function if isinstance(function, Limited) else Limited(function)
        plain = [Kept(one.key) if isinstance(one, Shared) else one for one in given]
        parts = tuple(one for one in given if isinstance(one, Shared))
        return cls(pickle.dumps((limits.function, plain)), parts, limits.seconds)


def call(packed: bytes, kept: dict[str, bytes]) -> Any:
    """Unpack a task, and return a function that does it."""
    function, arguments = pickle.loads(packed)
    given = [kept[one.key] if isinstance(one, Kept) else one for one in arguments]
    return lambda: function(*given)


def remember(kept: dict[str, bytes], parts: Iterable[tuple[str, bytes | None]]) -> None:
    """Keep the parts that a task needs, the latest last; None stands for one that is kept already.

    Both ends of a channel do the same, so that each knows what the other has.
    """
    for key, packed in parts:
        held = kept.pop(key, None)
        kept[key] = held if packed is None else packed  # type: ignore[assignment]
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]
