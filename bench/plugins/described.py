"""Finds out what a plug-in offers, from a process of its own that has loaded it."""

import json
import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection, wait
from numbers import Integral
from pathlib import Path
from typing import Any

import gradpareto.systems
from gradpareto.bench.own_process import own_process
from gradpareto.bench.plugins.brought import brings_a_system
from gradpareto.bench.plugins.plugin_estimator import are_unchanged, digests_of, made_of
from gradpareto.bench.plugins.sealed import Seal
from gradpareto.bench.plugins.source import Source, Unusable, digest, load, module_of
from gradpareto.bench.reasons import in_a_line, reason_of
from gradpareto.estimators import Declaration, Estimator
from gradpareto.systems.code_digest import code_digest, code_files
from gradpareto.systems.source_file import KNOWN, Facts, read_facts

LOADING_SECONDS = 120.0
LONGEST_ANSWER = 2**24


@dataclass(frozen=True)
class Form:
    """An estimator that a plug-in makes: what it declares, and the digest of its code."""

    declared: Declaration
    code: str | None


@dataclass(frozen=True)
class Description:
    """The description of what a plug-in offers, as data.

    `is_system` says that it is a system or a task; else `refused` says why it cannot be used, or
    `forms` has its estimators. `code` is the digest of its code, and `files` are those of the code,
    each with its digest.
    """

    is_system: bool
    refused: str
    forms: Mapping[str, Form]
    code: str
    files: tuple[tuple[str, str], ...]


_DESCRIBED: dict[tuple[Source, str], Description] = {}
_OF_THE_SUITE: set[Path] = set()
_READ_HERE: set[Path] = set()
"""The suite's files that plug-ins have used: from the second plug-in on they are read once, here,
and not in the process of each."""


def describe(source: Source, name: str) -> Description:
    """Return what a plug-in offers under a name; its code is loaded in another process.

    Raises Unusable if it does not load.
    """
    held = _DESCRIBED.get((source, name))
    if held is None or not are_unchanged(held.files):
        held = _DESCRIBED[source, name] = _read(_answer(source, name), source)
    return held


def _answer(source: Source, name: str) -> dict[str, Any]:
    from gradpareto.reference import default_folder  # noqa: PLC0415 (not where plug-ins run)

    for path in _OF_THE_SUITE - _READ_HERE:
        read_facts(path)
    _READ_HERE.update(_OF_THE_SUITE)
    here, there = multiprocessing.Pipe(duplex=False)
    arguments = there, source, name, default_folder(), KNOWN
    with here, own_process(_describe, *arguments) as process:
        there.close()
        wait([here, process.sentinel], LOADING_SECONDS)
        try:
            if here.poll():
                return dict(json.loads(here.recv_bytes(LONGEST_ANSWER)))
        except (EOFError, OSError, ValueError):
            pass
        if not wait([process.sentinel], 1.0):
            raise Unusable(f"{source} is not loaded within {LOADING_SECONDS:g} s")
        raise Unusable(
            f"{source} ends the process that loads it, with exit code {process.exitcode}"
        )


def _read(answer: dict[str, Any], source: Source) -> Description:
    """Return an answer as a description. Raises Unusable."""
    if "unusable" in answer:
        raise Unusable(in_a_line(str(answer["unusable"]), 1000))
    try:
        forms = {
            str(form): Form(Declaration(**one["declares"]), one["code"])
            for form, one in answer["forms"].items()
        }
        files = tuple((str(path), str(found)) for path, found in answer["files"])
        _OF_THE_SUITE.update(filter(_is_of_the_suite, map(Path, answer["suite"])))
        return Description(
            answer["is_system"] is True,
            in_a_line(str(answer["refused"]), 1000),
            forms,
            str(answer["code"]),
            files,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unusable(f"{source} cannot be described: {reason_of(error)}") from error


def _is_of_the_suite(path: Path) -> bool:
    root = Path(gradpareto.systems.__path__[0]).resolve().parent
    return path.is_relative_to(root) and path.is_file()


def _describe(
    channel: Connection, source: Source, name: str, references: Path, known: dict[bytes, Facts]
) -> None:
    """Answer with what a plug-in offers. This runs in a process of its own."""
    KNOWN.update(known)
    Seal(references)
    try:
        answer = _described(source, name)
    except Unusable as error:
        answer = {"unusable": str(error)}
    except BaseException as error:
        answer = {"unusable": f"{source} fails to load: {reason_of(error)}"}
    channel.send_bytes(json.dumps(answer, default=_number).encode())


def _described(source: Source, name: str) -> dict[str, Any]:
    given, module = load(source), module_of(source)
    own, others = code_files([module])
    told: dict[str, Any] = {
        "is_system": brings_a_system(given),
        "refused": "",
        "forms": {},
        "code": digest(source),
        "files": digests_of(others),
        "suite": [str(path) for path in own],
    }
    try:
        for form, made in made_of(source, name).items():
            declared = made.declares
            record = {part.name: getattr(declared, part.name) for part in fields(Declaration)}
            told["forms"][form] = {"declares": record, "code": _code([made], module)}
    except Unusable as error:
        told["refused"] = str(error)
    return told


def _code(made: list[Estimator], module: Any) -> str | None:
    """Return the digest of an estimator's code, or None if its source is in no file."""
    try:
        return code_digest(made, [module])
    except TypeError:
        return None


def _number(value: Any) -> float:
    """Return a number of some other type as one that JSON has. Raises TypeError."""
    return int(value) if isinstance(value, Integral) else float(value)
