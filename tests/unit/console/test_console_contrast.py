"""The page's colours: each that is read on another has the contrast that WCAG 2.2 AA asks for."""

import re

import pytest

from openoutcry.console.server import STATIC

TEXT, GRAPHIC = 4.5, 3.0
GROUNDS = ("ground", "panel", "raised")
READ = ("text", "muted", "accent", "good", "warning", "critical", "bid", "ask")
ON = {
    ("on-accent", "accent"): TEXT,
    ("on-danger", "danger"): TEXT,
    ("text", "bid-bar"): TEXT,
    ("text", "ask-bar"): TEXT,
}


def palettes():
    css = (STATIC / "console.css").read_text()
    themes = {}
    for theme in ("dark", "light"):
        (block,) = re.findall(rf':root\[data-theme="{theme}"\] \{{\n(.*?)\n\}}', css, re.S)
        themes[theme] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    return themes


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_is_read_can_be(theme):
    colours = palettes()[theme]
    wanted = {(text, ground): TEXT for text in READ for ground in GROUNDS} | ON
    # What says by its edge that it can be used, and the focus around it (1.4.11).
    wanted |= {("control", ground): GRAPHIC for ground in ("panel", "raised")}
    poor = {
        pair: round(contrast(*(colours[name] for name in pair)), 2)
        for pair, least in wanted.items()
        if contrast(*(colours[name] for name in pair)) < least
    }
    assert poor == {}


def test_the_themes_have_the_same_colours_and_no_other_is_used():
    dark, light = palettes().values()
    assert set(dark) == set(light)
    css = (STATIC / "console.css").read_text()
    rules = css.split("* { box-sizing", 1)[1] + (STATIC / "screen.css").read_text()
    assert not re.findall(r"#[0-9a-f]{3,6}\b(?![^{]*\{)", rules)
    assert set(re.findall(r"var\(--([\w-]+)\)", css + rules)) <= set(dark)


def test_contrast_is_computed_as_the_standard_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
