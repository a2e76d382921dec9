"""The `upwell` command: parse, call, print."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import cast

import click
import structlog

from upwell.cli import asking, comparing, keeping, reading, running, using
from upwell.cli.frame import Parts, fail
from upwell.errors import Problem, Rejected, UpwellError
from upwell.settings import ConfigError

DONE, FAILED, WRONG, STOPPED = 0, 1, 2, 130
COMMANDS = (
    running.demo,
    running.serve,
    running.check,
    keeping.import_files,
    reading.sync,
    asking.query,
    using.ask_usage,
    asking.rows,
    asking.report,
    comparing.compare,
    asking.alerts,
    asking.sources,
    reading.source,
    reading.customers,
    keeping.dead_letters,
    keeping.rebuild,
    keeping.retranslate,
    keeping.verify,
    keeping.retract,
    keeping.close,
    keeping.key,
    running.config,
    running.version,
)


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)  # by what one does first, not by the alphabet


@click.group(cls=_InOrder, invoke_without_command=True)
@click.pass_context
def upwell(ctx: click.Context) -> None:
    """Real-time growth analytics for companies with many products."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _command in COMMANDS:
    upwell.add_command(_command)


def _app() -> Parts:
    # Loaded when a command needs it: `upwell version` opens no database.
    return cast(Parts, importlib.import_module("upwell.demo.run").Parts)


def main(argv: Sequence[str] | None = None, parts: Callable[[], Parts] = _app) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad usage or configuration.

    `parts` gives what the commands work on.
    """
    # What a command prints is data; what happens meanwhile is told beside it.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        code = upwell.main(
            args=None if argv is None else list(argv),
            prog_name="upwell",
            standalone_mode=False,
            obj=parts,
        )
        return code if isinstance(code, int) else DONE
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx else "upwell"
        return _say(WRONG, error.format_message(), f"{name} --help shows how it is used.")
    except click.ClickException as error:
        return _say(FAILED, error.format_message(), "")
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return STOPPED
    except ConfigError as error:
        fail(error.problems)
        return WRONG
    except UpwellError as error:
        fail([error.problem])
        wrong = isinstance(error, Rejected) and error.problem.code != "internal"
        return WRONG if wrong else FAILED
    except Exception as error:  # a sentence for a person; UPWELL_DEBUG for the rest
        if os.environ.get("UPWELL_DEBUG"):
            raise
        return _say(FAILED, f"{type(error).__name__}: {error}", "UPWELL_DEBUG=1 shows where.")


def _say(code: int, message: str, fix: str) -> int:
    fail([Problem(code="command", message=message, fix=fix)])
    return code
