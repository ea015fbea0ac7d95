"""The rooms' rules, read from the source: who imports whom, and what stands in one file only."""

from tests.support.documents.rooms import rooms
from tests.support.imports import circles, graph, module_names


def test_modules_do_not_import_each_other_in_a_circle():
    """Neither at the top of a module nor inside of a function, where it would be hidden."""
    names = module_names([room for room in rooms() if room != "tests"])
    assert circles(graph({name: path.read_text() for name, path in names.items()})) == []
