"""What a file of source says: its code without its comments, its imports, and its constants."""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST = 255
"""A string constant of more characters names no file."""
FILLED_IN = re.compile(r"\{[^{}]*\}|%[-\d.]*[a-z]")
"""The places of a string that `format` or % fill in."""
IMPORTERS = {"import_module", "__import__"}
"""Functions that import the module that their first argument names."""


@dataclass(frozen=True)
class Import:
    """The statement `from ..module import names` (`level` counts the dots), or `import module`."""

    level: int
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The digest (hexadecimal) of a file, and what its code names if it is Python source.

    `texts` are string constants that could name a file, and `attributes` the names that stand
    behind a dot.
    """

    digest: str
    imports: tuple[Import, ...] = ()
    texts: tuple[str, ...] = ()
    attributes: frozenset[str] = frozenset()


KNOWN: dict[bytes, Facts] = {}
"""The facts of each source that was read, by the SHA-256 of its content. Reading one takes some
milliseconds, so a process may be given those that another one has."""


def read_facts(path: Path) -> Facts:
    """Read a file. Raises OSError if it cannot be read."""
    if path.suffix == ".py":
        return _facts_of_source(path.read_bytes())
    with path.open("rb") as file:
        return Facts(hashlib.file_digest(file, "sha256").hexdigest())


def _facts_of_source(content: bytes) -> Facts:
    key = hashlib.sha256(content).digest()
    if key not in KNOWN:
        KNOWN[key] = _read(content)
    return KNOWN[key]


def _read(content: bytes) -> Facts:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return Facts(hashlib.sha256(content).hexdigest())
    nodes = [node for node in ast.walk(tree) if not _is_docstring(node)]
    return Facts(
        hashlib.sha256(_code(tree, content)).hexdigest(),
        tuple(_imports(nodes)),
        tuple(dict.fromkeys(_texts(tree))),
        frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute)),
    )


def _code(tree: ast.Module, content: bytes) -> bytes:
    """Write the code of a file out; a file that is nested too deeply is taken as it is."""
    try:
        return _written(tree).encode("utf-8", "surrogatepass")
    except RecursionError:
        return content


def _written(node: object) -> str:
    """Write a syntax tree without positions, comments and docstrings.

    Empty parts are left out, since versions of Python differ in which of them a tree has.
    """
    if isinstance(node, ast.Constant):
        return f"Constant({node.value!r})"
    if isinstance(node, ast.AST):
        parts = ((name, getattr(node, name, None)) for name in node._fields)
        inside = [f"{name}={_written(part)}" for name, part in parts if part not in (None, [])]
        return f"{type(node).__name__}({','.join(inside)})"
    if isinstance(node, list):
        return f"[{','.join(_written(part) for part in node if not _is_docstring(part))}]"
    return repr(node)


def _is_docstring(node: object) -> bool:
    """Tell whether a node is a statement that is a string and nothing else."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(nodes: list[ast.AST]) -> Iterator[Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.level, node.module or "", names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            named = getattr(node.args[0], "value", None)
            if called in IMPORTERS and isinstance(named, str):
                module = named.lstrip(".")
                yield Import(len(named) - len(module), module)


def _texts(tree: ast.Module) -> Iterator[str]:
    """The string constants that could name a file, with * for what is filled in.

    Docstrings are passed over.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [getattr(part, "value", None) for part in parts]
        if any(isinstance(text, str) for text in texts):
            text = "".join(text if isinstance(text, str) else "*" for text in texts)
            if len(text) <= LONGEST and text.isprintable():
                yield FILLED_IN.sub("*", text)
        todo += [child for child in ast.iter_child_nodes(node) if not _is_docstring(child)]
