"""The record of one sample, and the cell of a run that it belongs to."""

from dataclasses import dataclass, fields
from typing import Literal

Status = Literal[
    "ok",
    "zero",
    "uncertified",
    "raised",
    "diverged",
    "shape",
    "timeout",
    "memory",
    "died",
    "mutated",
    "uncounted",
    "unrepeatable",
]
"""The status says how a record came out.

- "ok": there is a gradient, and its error is known.
- "zero": there is a gradient, and the true gradient of this sample is zero. Absolute errors are
  known, there is no relative one (NaN), and the sample decides nothing.
- "uncertified": the sample's reference has no certificate that would let it judge. Nothing is
  measured on it, and it decides nothing.
- Any other one is a failure, with its reason. "diverged" is that of a gradient, or of an error,
  that is not finite. "uncounted" is that of an estimator which evaluates the system or the policy
  without a call that is counted, and "unrepeatable" that of one whose calls differ.
"""
SILENT: tuple[Status, ...] = ("zero", "uncertified")
"""The statuses of samples that decide nothing, whichever estimator it is."""
SUCCESSES: tuple[Status, ...] = ("ok", *SILENT)
"""The statuses that are no failure."""
COUNTS = ("f_evals", "vjp_evals", "jvp_evals", "jac_evals")
"""The columns of a record, and the fields of a meter, that count oracle calls."""


@dataclass(frozen=True)
class Record:
    """The record of one sample of one cell.

    Errors are 2-norms against the reference (`rel_error` over the norm of the stacked gradient, and
    NaN if the status is "zero");
    counts are calls of oracles by this sample; `stored_bytes` and `peak_bytes` are the batch's over
    its samples; `wall_s` is the batch's seconds over its samples, and `wall_ratio` its median time
    over that of `bptt` at a hundredth of the horizon, `wall_ratio_spread` max - min of the ratio.

    Of a stochastic estimator, errors are root mean squares over replicates, counts are one's, and
    rel_error^2 = bias^2 + deviation^2: the two are relative to the gradient's norm, and their
    squares estimated without bias, a negative one of `bias` set to 0 (then bias is small beside
    deviation / sqrt(replicates), and not resolved). NaN otherwise.
    """

    system: str
    theta: str
    estimator: str
    knob: str
    setting: float
    sample: int
    seed: int
    status: Status
    reason: str
    loss: float
    abs_error: float
    rel_error: float
    abs_error_x0: float
    abs_error_theta: float
    bias: float
    deviation: float
    reference_uncertainty: float
    f_evals: int
    vjp_evals: int
    jvp_evals: int
    jac_evals: int
    evals: int
    steps: int
    stored_bytes: float
    peak_bytes: float
    wall_s: float
    wall_ratio: float
    wall_ratio_spread: float


COLUMNS = [field.name for field in fields(Record)]


CELL_KEYS = ["system", "theta", "estimator", "setting"]


@dataclass(frozen=True, slots=True)
class Cell:
    """The unit of work: a system at a parameter preset, an estimator, a setting, its samples."""

    system: str
    theta: str
    estimator: str
    setting: float
    samples: int

    def __post_init__(self) -> None:
        """Take numbers of any type, such as 1 or a number of NumPy's, as what the store keeps."""
        object.__setattr__(self, "setting", float(self.setting))
        object.__setattr__(self, "samples", int(self.samples))

    @property
    def problem(self) -> tuple[str, str]:
        return self.system, self.theta

    @property
    def key(self) -> tuple[str, str, str, float]:
        """The values of its CELL_KEYS."""
        return self.system, self.theta, self.estimator, self.setting

    @property
    def name(self) -> str:
        return f"{self.system}.{self.theta}.{self.estimator}.{self.setting!r}"
