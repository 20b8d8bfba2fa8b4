"""Tests of evaluation may run the command line too."""

from tests.cli.conftest import real_run, run

__all__ = ["real_run", "run"]
