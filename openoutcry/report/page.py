"""The one way from a template of this folder to a page: what is undefined is an error, what comes
from outside is escaped."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from openoutcry.wire.text import printable

Filters = Mapping[str, Callable[[Any], str]]


def render_page(
    template: str, filters: Filters, /, folder: Path = Path(__file__).parent, **values: Any
) -> str:
    """The page of that template.  ``filters`` are what it may put a value through."""
    page = _environment(folder).overlay()
    page.filters = {**page.filters, **filters}
    return page.get_template(template).render(**values)


@cache
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
    )


def shown(value: Any) -> Any:
    """A value before it is escaped: a page holds no control character."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value, keep="\n\t") if plain else value


def escaped(text: object) -> Markup:
    """Text within markup that is not made from a template."""
    return escape(printable(str(text)))
