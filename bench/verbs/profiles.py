"""The verb `profiles` of the command line."""

from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.draw.figure_files import write
from gradpareto.bench.draw.profile_figure import profile_figure
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.profiles import needed, performance_profiles, runtime_distributions
from gradpareto.bench.judge.scaling import scaling, scaling_markdown
from gradpareto.bench.judge.verdict import NothingToCompare, nothing_to_compare
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.options import AS_JSON, RUN
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole


@click.command("profiles")
@RUN
@AS_JSON
def verb(out: Path, as_json: bool) -> None:
    """Sum up a run over its problems, and fit how costs grow.

    Nothing is measured. The folder is given figures/profiles (performance profiles and runtime
    distributions, with bands that draw the systems anew), profiles.csv with their areas, and
    scaling.csv and scaling.md with the exponents with which evaluations grow with accuracy, and
    stored bytes with steps.

    Example: gradpareto profiles --out results/default
    """
    folder = RunFolder(out)
    folder.require()
    records = folder.read_cells()
    if comparable(records).empty:
        raise NothingToCompare(nothing_to_compare(records))
    problems = needed(records)
    factors, evals = performance_profiles(problems), runtime_distributions(problems)
    (out / "figures").mkdir(exist_ok=True)
    figures = write(profile_figure(factors, evals), str(out / "figures" / "profiles"))
    areas = pd.DataFrame(
        [(name, factors[name].share[0], factors[name].area, evals[name].area) for name in factors],
        columns=["estimator", "best_on", "within_a_factor", "reached"],
    )
    exponents = scaling(records)
    write_whole(out / "profiles.csv", areas.to_csv(index=False, float_format="%.6g"))
    write_whole(out / "scaling.csv", exponents.to_csv(index=False, float_format="%.6g"))
    write_whole(out / "scaling.md", scaling_markdown(exponents))
    if as_json:
        found = {"areas": areas.to_dict("records"), "exponents": exponents.to_dict("records")}
        print_json({"files": [str(path) for path in figures], **found})
        return
    click.echo("The share of problems and target errors at which an estimator needs the fewest")
    click.echo("evaluations, and the mean shares of its profile and its runtime distribution:\n")
    click.echo(areas.to_string(index=False, float_format="{:.3f}".format))
    click.echo(f"\n{len(exponents)} exponents in {out / 'scaling.md'}, and {figures[0]}")
