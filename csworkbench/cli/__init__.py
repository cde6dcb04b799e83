# SPDX-License-Identifier: Apache-2.0
"""The command line. Commands are loaded when they are called: `lab nc` must start fast."""

import gc
import importlib
import os
import sys

import click

from csworkbench import __version__

from .common import READ_ONLY, read_only_asked
from .screen_options import Look, screen_options

GC_THRESHOLDS = (20_000, 20, 50)  # what is imported stays: looking through it again and again is a fifth of a start
COMMANDS = {
    "demo": ("demo", "The test cloud and the workbench, ready to press the key."),
    "lab": ("lab", "The built-in test cloud."),
    "preflight": ("preflight", "What needs upgrading, and whether now is a safe time."),
    "run": ("run", "Run a scenario: measure, operate, settle, verify, export."),
    "watch": ("run", "Measure only, while somebody else operates."),
    "resume": ("resume", "Go on with a run that was interrupted."),
    "attach": ("attach", "Watch a run that is going on."),
    "replay": ("replay", "Replay a recorded run."),
    "runs": ("runs", "List the runs."),
    "tag": ("labels", "Tag a run, or take tags away."),
    "note": ("labels", "Keep a note with a run."),
    "delete": ("delete", "Delete runs."),
    "import": ("exchange", "Take in a colleague's run files."),
    "push": ("push", "Copy runs to the team's store."),
    "pull": ("push", "Copy runs of the team's store to this machine."),
    "redact": ("exchange", "Copy a run without names and addresses, to pass it on."),
    "show": ("runs", "Show a run's result."),
    "export": ("runs", "Write a run's CSV files."),
    "compare": ("compare", "Compare runs, arm by arm."),
    "gate": ("gate", "Hold a run against the history of like runs."),
    "report": ("report", "Write runs and their comparison as one HTML file, or as JUnit, Markdown or JSON Lines."),
    "diagnose": ("diagnose", "Ping from inside a router, or fetch its logs."),
    "upgrade": ("upgrade", "Restart or live patch many routers in waves, each measured."),
    "runbook": ("runbook", "Walk the steps of an upgrade, and keep the evidence."),
    "testbed": ("testbed", "A test bed on any CloudStack: made, looked at, removed."),
    "doctor": ("doctor", "What this machine can do, and what to install or allow."),
    "layout": ("layout", "Check workbench layouts."),
    "engine": ("engine", "The engine of one run (started by other commands)."),
    "publish": ("push", "What copies a run to the team's store (started by other commands)."),
    "exporter": ("exporter", "What serves a run's metrics (started by other commands)."),
}
HIDDEN = ("engine", "publish", "exporter")
WORDS = {"import": "import_"}  # a command whose name is a word of Python


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS, without the internal ones."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return, None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"csworkbench.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, WORDS.get(cmd_name, cmd_name))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that `--help` imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="csworkbench")
@click.option("--cloud", default="", metavar="NAME", help="Open this cloud: of config.yaml, cloudmonkey, env or lab.")
@click.option("--read-only", is_flag=True, help="Look and plan; refuse every call that changes something in a cloud.")
@click.option("--plain", is_flag=True, help="What needs upgrading, in lines instead of a screen.")
@screen_options
@click.pass_context
def cli(ctx: click.Context, cloud: str, read_only: bool, plain: bool, look: Look) -> None:
    """Drives CloudStack virtual-router restarts and measures the downtime that tenants feel.

    Without a command it opens the workbench on the configured cloud; the options are for that.
    Start with `csworkbench demo`: a test cloud on this machine and one key to press.
    """
    if read_only:
        os.environ[READ_ONLY] = "1"
    if ctx.invoked_subcommand is not None:
        if cloud or plain or look != Look():
            raise click.UsageError(f"options belong behind {ctx.invoked_subcommand!r}; see its --help")
        return
    from .home import open_home

    raise SystemExit(open_home(ctx, read_only=read_only_asked(), plain=plain, cloud=cloud, look=look))


def main() -> None:
    """Entry point of the `csworkbench` script."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        cli.main(prog_name="csworkbench")
    except BrokenPipeError:
        # Whoever read our output has left (`| head`): nothing is wrong, and nothing more may be written.
        sys.stderr.close()
        sys.exit(1)
