"""The command line, for what it says of servers."""

from tests.cli.conftest import real_run, run

__all__ = ["real_run", "run"]
