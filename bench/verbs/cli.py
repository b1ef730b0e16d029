"""The command line: `gradpareto`, and `python -m gradpareto`. A verb is imported when called."""

import io
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import click

from gradpareto.bench.nearest import nearest
from gradpareto.bench.threads import ONE_THREAD
from gradpareto.command import INTERRUPTS, SIGNALS, Interrupted

VERBS = {
    "list": "List the systems and the estimators.",
    "sweep": "Measure estimators on systems, and keep the records in a run folder.",
    "pareto": "Sweep, then draw the figures and print the table of the run.",
    "compare": "Judge whether the estimator NEW dominates BASELINE.",
    "choose": "Choose an estimator for a system: race all of them to an error.",
    "matrix": "Judge every estimator of a run against every other.",
    "profiles": "Sum up a run over its problems, and fit how costs grow.",
    "report": "Write a run as a folder of static pages, with a table of which estimator to use.",
    "gate": "Say whether an estimator's frontier has receded since a run was published.",
    "history": "Draw each estimator's evaluations for an error at the commits that asv measured.",
    "publish": "Copy a finished run, without what only measuring needs, to be published.",
    "verify": "Measure random cells of a run again, and compare them with its records.",
    "reference": "Print the certificates of a system's reference gradients.",
    "check": "Check an estimator, or a system that estimators are compared on.",
    "traits": "Print what estimators declare of themselves, beside what is measured.",
    "overhead": "Measure the time that estimators take beyond their oracle calls.",
    "times": "Time the gradients of a run's estimators, to say which is the fastest for an error.",
    "memory": "Trace the memory of a run's gradients, where its sweep left that out.",
    "snapshot": "Keep the gradients of estimators in FILE, or compare them with kept ones.",
    "growth": "Measure how the time of a gradient grows with its size, and fit exponents.",
    "peers": "Compare the fastest estimators with other libraries, at equal achieved error.",
    "dimension": "Measure the cost of a given accuracy as the heat equation's grid is refined.",
    "learn": "Train a policy with each of several estimators, and compare them.",
    "reproduce": "Make a figure of the paper again.",
    "budget": "Learn at many prices of a gradient, and tell how accurate a gradient has to be.",
}
"""The verbs, with the first sentence of each one's help; `verbs/NAME.py` holds the rest as `verb`.
The sentences stand here so that the help of the whole imports no verb."""


CELLS = "finished cells are kept, and the same command continues"
LEARNED = "what it had learned at its last checkpoint is kept, and the same command continues"
KEPT = {
    "sweep": CELLS,
    "pareto": CELLS,
    "compare": CELLS,
    "gate": CELLS,
    "reference": "references that were certified are kept, and the same command continues",
    "times": "what was timed is kept, and the same command continues",
    "memory": "what was traced is kept, and the same command continues",
    "learn": LEARNED,
    "budget": LEARNED,
    "reproduce": "what had been learned at the last checkpoint is kept, and the same command "
    "continues; figure 2 starts anew",
}
"""The sentences on what verbs keep of their work if they are interrupted, at any moment."""
ANEW = "nothing is kept of its work, and the same command starts anew"


class Verbs(click.Group):
    """A group that imports the file of a verb when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in VERBS:
            hint = nearest(cmd_name, VERBS) or "; see gradpareto --help"
            raise click.ClickException(f"there is no verb {cmd_name!r}{hint}")
        verb = import_module(f"gradpareto.bench.verbs.{cmd_name}").verb
        assert isinstance(verb, click.Command)
        INTERRUPTS.kept = KEPT.get(cmd_name, ANEW)
        return verb

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    subcommand_metavar="VERB [ARGUMENTS]...",
    epilog="gradpareto VERB --help describes a verb, with an example.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="gradpareto")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Which gradient estimator to use for a controlled ODE: accuracy against cost, measured.

    Example: gradpareto compare ctpg bptt --system lqr
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(2)
    import_module("gradpareto.bench.plugins").load_entry_points()


def main() -> None:
    """Run the command line; a mistake of the user's is one line and exit status 2."""
    os.environ.update(ONE_THREAD)  # before a verb imports NumPy or SciPy
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may be beyond what the locale can print
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(prog_name="gradpareto", standalone_mode=False))
    except click.UsageError as error:  # Click's own: ours are plain ClickExceptions
        _complain(error.format_message().removesuffix(".") + _way_on(error))
    except click.ClickException as error:
        _complain(error.format_message())
    except (Interrupted, KeyboardInterrupt, click.Abort):
        _end_interrupted()
    except MemoryError:
        _complain("this takes more memory than there is: ask for less at once")
    except Exception as error:
        if not _is_of_the_input(error):
            raise
        _complain(str(error))
    finally:
        INTERRUPTS.end()


def _end_interrupted() -> NoReturn:
    """Say what is kept, or that nobody interrupted, and that something from outside raised this."""
    number = INTERRUPTS.number or signal.SIGINT
    if INTERRUPTS.watching and not INTERRUPTS.number:
        _complain("a plug-in raised KeyboardInterrupt, and nobody had interrupted")
    INTERRUPTS.end()
    click.echo(f"gradpareto: {SIGNALS[number]}; {INTERRUPTS.kept or ANEW}", err=True)
    with suppress(OSError):  # nobody may be there to read it
        sys.stdout.flush()
    # CPython remembers an interrupt of a text that it was running, as where a dataclass is made,
    # and would end by the signal, whatever the status here.
    os._exit(128 + number)


def _is_of_the_input(error: Exception) -> bool:
    """Whether an error is about what the user gave, and not a fault of this program."""
    from gradpareto.reference import NotSolved  # noqa: PLC0415 (help does without NumPy)

    return isinstance(error, (ValueError, NotSolved, OSError))


def _way_on(error: click.UsageError) -> str:
    """Return where to read about the verb, unless the message ends with a suggestion."""
    if error.ctx is None or error.format_message().endswith("?"):
        return ""
    return f"; see {error.ctx.command_path} --help"


def _complain(message: str) -> NoReturn:
    """Say what is wrong, in one line of characters that can be printed, and exit with status 2."""
    line = " ".join(message.split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    click.echo(f"gradpareto: {shown}", err=True)
    sys.exit(2)
