"""The counts of a process's oracle calls, read from its reports where it cannot change them."""

from collections import Counter, defaultdict

import numpy as np

from gradpareto.bench.run.counted_calls import EVALUATED, HEADER, MORE, ORACLES, OUTSIDE, STRANGE
from gradpareto.bench.run.meter import Meter
from gradpareto.systems import Problem

ADVICE = "call flow, pullback and jacobian of the problem that is passed in"
NOT_READ = "the reports of its calls cannot be read"


class Tally:
    """Reads the reports of calls for a problem of B samples, run by run.

    `reports` is the number of those that were read in all.
    """

    def __init__(self, problem: Problem, samples: int) -> None:
        self.problem, self.samples = problem, samples
        self.reports = 0
        self._rest = b""
        self._begin()

    def _begin(self) -> None:
        self._lanes: defaultdict[int, list[bytes]] = defaultdict(list)
        self._batches: Counter[tuple[str, int]] = Counter()
        self._evaluated = [0, 0, 0, 0]
        self._fault = ""

    def read(self, content: bytes) -> None:
        """Take the next bytes that were reported."""
        content = self._rest + content
        start, end, size = 0, len(content), HEADER.size
        while end - start >= size:
            kind, rows, *evaluated, lanes = HEADER.unpack_from(content, start)
            after = start + size + 8 * lanes
            if after > end:
                break
            self._take(kind, rows, evaluated, content[start + size : after])
            self.reports += 1
            start = after
        self._rest = content[start:]

    def _take(self, kind: int, rows: int, evaluated: list[int], lanes: bytes) -> None:
        if kind & ~MORE < len(ORACLES):
            self._lanes[kind & ~MORE].append(lanes)
            if kind < MORE:
                self._batches[ORACLES[kind], rows] += 1
        elif kind == STRANGE:
            self._fault = f"evaluated arrays that do not hold numbers: {ADVICE}"
        elif kind != OUTSIDE:
            self._fault = NOT_READ
        for place, more in enumerate(evaluated):
            self._evaluated[place] += more

    def finish(self) -> tuple[Meter, str]:
        """End a run, and return its counts, and why they do not tell what it took (or "")."""
        meter, fault = Meter(self.samples), self._fault or NOT_READ * bool(self._rest)
        counted = [0, 0, 0]
        for kind, parts in self._lanes.items():
            lane = np.frombuffer(b"".join(parts), dtype=np.int64)
            inside = (lane >= 0) & (lane < self.samples)
            if not inside.all():
                wrong = lane[~inside][0]
                fault = f"called {ORACLES[kind]} for a lane {wrong}, of {self.samples}: {ADVICE}"
            meter.count(self.problem, ORACLES[kind], lane[inside])
            counted[kind] = len(lane)
        meter.batches.update(self._batches)
        fault = fault or self._beside(counted)
        self._begin()
        return meter, fault

    def _beside(self, counted: list[int]) -> str:
        """Say how many more rows were evaluated than oracle calls account for; "" if none were.

        A row of `flow` takes one of the system's flow, and one of the policy. A row of `pullback`
        takes one of the system's pullback, of the policy, and of the policy's pullback; a row of
        `jacobian` takes one of the policy, one of the system's pullback for each state, and one of
        the policy's pullback for each control.
        """
        flows, pulls, jacobians = counted
        states, controls = self.problem.system.state_dim, self.problem.system.control_dim
        allowed = (
            flows,
            pulls + states * jacobians,
            flows + pulls + jacobians,
            pulls + controls * jacobians,
        )
        for name, found, most in zip(EVALUATED, self._evaluated, allowed, strict=True):
            if found > most:
                what = {"flow": "the dynamics", "pullback": "the dynamics' pullback"}
                told = what.get(name, "the policy")
                return f"evaluated {found} rows of {told}, and {most} were counted: {ADVICE}"
        return ""
