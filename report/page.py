"""The one way from a template of this folder to a page: what is undefined is an error, what comes
from outside is escaped."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

Filters = Mapping[str, Callable[[Any], str]]


def render_page(template: str, filters: Filters, /, **values: Any) -> str:
    """The page of that template.  ``filters`` are what it may put a value through."""
    page = _environment().overlay()
    page.filters = {**page.filters, **filters}
    return page.get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
