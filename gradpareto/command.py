"""The command `gradpareto`, which answers an interrupt from its first moment to its last."""

import os
import signal
from types import FrameType

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Interrupted(BaseException):
    """Somebody interrupted a verb, by one of SIGNALS. (Click prints about a KeyboardInterrupt.)"""


class Interrupts:
    """What is done about an interrupt.

    Before a verb begins the process ends at once. Then the first one raises KeyboardInterrupt, so
    that what is kept is written, and the next one ends the process.
    """

    def __init__(self) -> None:
        self.kept = ""
        """What the verb that is running keeps; "" before it begins."""
        self.number: signal.Signals | None = None
        """The signal that came."""
        self.watching = False
        """Whether signals are answered here."""

    def watch(self) -> None:
        """Answer the signals from now on."""
        self.watching = True
        for number in SIGNALS:
            signal.signal(number, self._answer)

    def end(self) -> None:
        """Ignore the signals, since the process is ending by itself."""
        if self.watching:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def leave(self, number: signal.Signals) -> None:
        """End the process at once. The processes that it started end with it."""
        self.end()
        told = f"gradpareto: {SIGNALS[number]}; {self.kept or 'nothing had begun'}\n"
        os.write(2, told.encode())
        os._exit(128 + number)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        known = signal.Signals(number)
        if not self.kept or self.number:
            self.leave(known)
        self.number = known
        raise KeyboardInterrupt


INTERRUPTS = Interrupts()


def main() -> None:
    """Run the command line."""
    INTERRUPTS.watch()
    from gradpareto.bench.verbs import cli  # noqa: PLC0415 (an interrupt of this is answered)

    cli.main()
