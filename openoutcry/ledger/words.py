"""Texts of reports that can be said in the reader's language.

A report is made in English, once.  Its texts remember what they were made of, so that its PDF can
say them in another language; figures, names and CSV stay as they are.
"""

from collections.abc import Sequence

from openoutcry.ledger import texts_de

TABLES: dict[str, dict[str, str]] = {"en": {}, "de": texts_de.TEXTS}
"""By language: the text in it, by the English one."""


class Said(str):
    """An English text, made of ``template`` and what it names."""

    template: str
    given: dict[str, object]

    def __new__(cls, template: str, **given: object) -> "Said":
        """``template``: as :meth:`str.format` takes it."""
        made = super().__new__(cls, template.format(**given))
        made.template, made.given = template, given
        return made


def in_language(text: str, language: str) -> str:
    """A text in a language, ``en`` or ``de``; what is no :class:`Said` stays as it is."""
    if not isinstance(text, Said):
        return text
    given = {
        name: in_language(value, language) if isinstance(value, str) else value
        for name, value in text.given.items()
    }
    return TABLES[language].get(text.template, text.template).format(**given)


def listed(texts: Sequence[str]) -> Said:
    """Texts, separated by commas."""
    names = [f"text{place}" for place in range(len(texts))]
    template = ", ".join(f"{{{name}}}" for name in names)
    return Said(template, **dict(zip(names, texts, strict=True)))


def word(name: str, language: str) -> str:
    """The name of a column or of a line of the heading in a language."""
    return TABLES[language].get(name, name)
