"""Pages become HTML: the templates, and what they may call."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from gradpareto.bench.site.page import Page, page_of

FOLDER = "gradpareto.bench.site"
ASSETS = ("style.css", "script.js")


@dataclass(frozen=True)
class Site:
    """The values that all pages share: the run's name, and the sections with their paths."""

    run: str
    sections: Sequence[tuple[str, str]]


def render(page: Page, site: Site) -> bytes:
    """Return the page as HTML in UTF-8; whatever is no template's own is escaped."""
    root = "../" * page.path.count("/")
    template = environment().get_template(page.template)
    shared = {"title": page.title, "section": page.section, "site": site, "root": root}
    return template.render(**shared, **page.data).encode()


def assets() -> dict[str, bytes]:
    """Return the style sheet and the script by their names."""
    return {name: files(FOLDER).joinpath(name).read_bytes() for name in ASSETS}


@cache
def environment() -> Environment:
    """Return the environment of the templates, which escapes everything."""
    made = Environment(
        loader=PackageLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"href": _href, "page_of": page_of}
    return made


@pass_context
def _href(context: Context, path: str) -> str:
    """Return a path from the report's folder as a link from this page."""
    return str(context["root"]) + quote(path, safe="/")
