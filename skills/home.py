"""COLLEGIUM_HOME: the one folder this project writes to."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def home() -> Path:
    """The user's data folder: ``$COLLEGIUM_HOME``, else the platform's data folder. Not created here."""
    configured = os.environ.get("COLLEGIUM_HOME")
    return Path(configured).expanduser() if configured else user_data_path("collegium", appauthor=False)


def cache_folder(kind: str) -> Path:
    """``home()/cache/<kind>``: derived files that can be deleted and are made again (exports, conversions)."""
    return home() / "cache" / kind
