"""Texts in the languages of the portal's page: of notifications, and of mails about an account."""

import re

from openoutcry.portal.notices import texts_de, texts_en

TABLES = {"en": texts_en.TEXTS, "de": texts_de.TEXTS}
DEFAULT = "en"
WANTED = re.compile(r"([a-z]{2})(?:-[a-z\d-]+)?(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)
MOST_HEADER = 500


def said(language: str, key: str, **given: object) -> str:
    """A text in a language, with what it names."""
    return TABLES[language][key].format(**given)


def word_line(word: str, language: str) -> str:
    """The end of each mail to a user who has chosen a word: by it the user knows the sender."""
    return f"\n\n{said(language, 'word.line.text', word=word)}" if word else ""


def language_of(header: str) -> str:
    """The language that an ``Accept-Language`` header wants most among those that there are."""
    weights: dict[str, float] = {}
    for part in header[:MOST_HEADER].split(","):
        found = WANTED.fullmatch(part.strip())
        if found and found[1].lower() in TABLES:
            name = found[1].lower()
            weights[name] = max(weights.get(name, 0.0), float(found[2] or 1))
    best = max(weights, key=lambda name: weights[name], default=DEFAULT)
    return best if weights.get(best) else DEFAULT
