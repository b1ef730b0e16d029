"""The page that says where the numbers come from."""

import json
from typing import Any

from gradpareto.bench.site.page import PROVENANCE, Page
from gradpareto.bench.site.problem_run import Run
from gradpareto.bench.store.provenance import session


def provenance_page(run: Run) -> Page:
    """Return the page: what the run shares, its sessions, and what made the report."""
    records = sum(len(problem.records) for problem in run.problems)
    facts = [
        ("run", run.name),
        ("records", f"{records:,}"),
        ("problems", str(len(run.problems))),
        ("estimators", str(len(run.estimators))),
        ("schema", str(run.provenance["schema"])),
        *((str(name), _text(value)) for name, value in run.shared.items()),
    ]
    data = {
        "facts": facts,
        "sessions": [_session(one) for one in run.provenance["sessions"]],
        "made": _made(),
    }
    return Page("provenance.html", PROVENANCE, "Provenance", "provenance.html", data)


def _session(one: dict[str, Any]) -> dict[str, Any]:
    title = _text(one.get("command", "a session without a command"))
    return {"title": title, "facts": [(str(name), _text(value)) for name, value in one.items()]}


def _made() -> list[tuple[str, str]]:
    """Describe the code that makes the report, without the machine that it runs on."""
    now = session({})
    return [(name, _text(now[name])) for name in ("commit", "dirty", "python", "libraries")]


def _text(value: object) -> str:
    """Write a value of JSON in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value)
