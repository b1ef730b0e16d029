"""The certificates of the references that a run was judged by, as a table and in words."""

from collections.abc import Sequence

import pandas as pd

from gradpareto.bench.store.problem_tables import CERTIFICATES
from gradpareto.bench.store.records import RunFolder
from gradpareto.reference import NotSolved, Reference


def certificate_table(reference: Reference, bound: float) -> pd.DataFrame:
    """Return the verdict on each sample's reference, in the columns of CERTIFICATES."""
    verdicts = [reference.verdict(sample, bound) for sample in range(len(reference.loss))]
    return pd.DataFrame(
        {
            "sample": range(len(verdicts)),
            "kind": [verdict.kind for verdict in verdicts],
            "verdict": [verdict.text for verdict in verdicts],
            "rel_uncertainty": reference.rel_uncertainty,
            "untested": reference.untested,
            "resolution": reference.resolution,
        },
        columns=CERTIFICATES.columns,
    )


def left_out(problem: tuple[str, str], certificate: pd.DataFrame) -> list[str]:
    """Say which samples of a problem are left out, a line for each reason; [] if none is."""
    bad = certificate[certificate.kind == "not certified"]
    name, total = "{} ({})".format(*problem), len(certificate)
    if len(bad) and len(bad) == total:
        return [f"{name} is left out: no sample of {total} can judge; sample {_first(bad)}"]
    return [
        f"{name}: sample {', '.join(map(str, rows['sample']))} of {total} is left out: {verdict}"
        for verdict, rows in bad.groupby("verdict", sort=False)
    ]


def demand_one(folder: RunFolder, problems: Sequence[tuple[str, str]]) -> None:
    """Raise NotSolved if none of the problems has a sample that can judge."""
    tables = [folder.read_certificate(*problem) for problem in problems]
    if all(len(table) and (table.kind == "not certified").all() for table in tables):
        lines = [line for pair in zip(problems, tables, strict=True) for line in left_out(*pair)]
        raise NotSolved("; ".join(lines))


def _first(bad: pd.DataFrame) -> str:
    row = bad.iloc[0]
    return f"{row['sample']} is {row['verdict']}"
