"""The form of a store of cells: its tables and its index, in this version and in the one before."""

from pathlib import Path

from gradpareto.bench.store.sweep_notes import NOTES, Run
from gradpareto.bench.store.unusable import UnusableFolder

VERSION = 2
"""The form of the store, which SQLite keeps as the `user_version`."""
OLDER_FORM = {
    "cells": "CREATE TABLE cells (system TEXT NOT NULL, theta TEXT NOT NULL, "
    "estimator TEXT NOT NULL, setting REAL NOT NULL, samples INTEGER NOT NULL, "
    "failures INTEGER NOT NULL, checksum BLOB NOT NULL, records BLOB NOT NULL)",
    # It holds all but the records, so that what is measured is known from it alone.
    "cells_by_key": "CREATE UNIQUE INDEX cells_by_key ON cells "
    "(system, theta, estimator, setting, samples, failures, checksum)",
    "published": "CREATE TABLE published (cells TEXT NOT NULL, records TEXT NOT NULL)",
}
"""The tables of version 1, which is read as it is, and gets the rest when it is written to."""
FORM = OLDER_FORM | NOTES


def check_form(run: Run, path: Path) -> None:
    """Raise UnusableFolder if the file at `path` has another form."""
    ((version,),) = run("PRAGMA user_version", ())
    held = dict(run("SELECT name, sql FROM sqlite_master", ()))
    if (version, held) not in ((1, OLDER_FORM), (VERSION, FORM)):
        raise UnusableFolder(f"{path} is no store of this version: name another folder")


def upgrade(run: Run) -> None:
    """Give a store of version 1 what it lacks, inside a transaction."""
    ((version,),) = run("PRAGMA user_version", ())
    for statement in NOTES.values() if version != VERSION else ():
        run(statement, ())
    run(f"PRAGMA user_version = {VERSION}", ())
