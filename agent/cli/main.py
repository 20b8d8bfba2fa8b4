"""The ``collegium`` command: which sub-commands there are, and how errors become exit codes.

    0    done
    1    a model, stored data or the machine failed
    2    the command or its input has to change
    130  stopped with Ctrl-C

An error is one line on standard error; ``COLLEGIUM_DEBUG=1`` shows the traceback. Standard output holds
results only. Knows no command's work: each lives in its own module, which imports what is heavy when it runs.
"""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from agent.cli import (
    ask,
    bench,
    calibrate,
    chat,
    check,
    data,
    doctor,
    domains,
    evaluate,
    index,
    mcp,
    memory,
    models,
    predict,
    replay,
    retrieve,
    route,
    score,
    serve,
    sessions,
    train,
)
from prompts import PromptError
from skills.errors import CollegiumError, UserError

app = typer.Typer(
    name="collegium",
    help="Domain agents on your own machine: answers from your store, checked against their sources.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"collegium {version('collegium')}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # langchain-core brings a tracing client; nothing leaves the machine unless the user asks for it.
    os.environ.setdefault("LANGSMITH_TRACING", "false")


# In the order of the help page: use it, look into it, keep it running, teach and measure it.
app.command("chat")(chat.command)
app.command("ask")(ask.command)
app.command("serve")(serve.command)
app.command("mcp")(mcp.command)
app.add_typer(sessions.app, name="sessions")
app.add_typer(memory.app, name="memory")
app.command("predict")(predict.command)
app.command("route")(route.command)
app.command("retrieve")(retrieve.command)
app.command("check")(check.command)
app.add_typer(index.app, name="index")
app.command("domains")(domains.command)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.command)
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
app.add_typer(evaluate.app, name="eval")
app.command("calibrate")(calibrate.command)
app.command("replay")(replay.command)
app.command("score")(score.command)
app.command("bench")(bench.command)


def main() -> None:
    """Run the command line; ends the process with one of the exit codes above."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that a terminal lacks must not end the program
            stream.reconfigure(errors="replace")
    if os.environ.get("COLLEGIUM_DEBUG") == "1":
        app()
        return
    try:
        app()
    except UserError as error:
        _fail(str(error), 2)
    except (CollegiumError, PromptError) as error:
        _fail(str(error), 1)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else error.strerror or str(error)
        _fail(f"{what}{f': {str(error.filename)!r}' if error.filename else ''}", 1)
    except Exception as error:
        _fail(f"unexpected {type(error).__name__}: {error} (COLLEGIUM_DEBUG=1 shows where)", 1)


def _fail(message: str, code: int) -> None:
    from rich.console import Console
    from rich.text import Text

    line = " ".join(message.split()) or "failed without a message"
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), line))
    sys.exit(code)


if __name__ == "__main__":
    main()
