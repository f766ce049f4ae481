"""The look: the fonts and colours that Gradio's own parts get, and the style sheet of ours."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import gradio as gr

from hetmoe.demo.colours import GREYS, css_variables
from hetmoe.encoding import Family
from hetmoe.variations import VARIATIONS

ASSETS = Path(__file__).parent / "assets"


def theme() -> gr.themes.Base:
    """System fonts only (a web font would be a request to another host) and neutral greys, so that colour means an
    expert."""
    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
    return gr.themes.Base(
        primary_hue="neutral", neutral_hue="neutral", font=fonts, font_mono=("ui-monospace", "monospace")
    ).set(
        body_background_fill=GREYS["paper"][0],
        body_background_fill_dark=GREYS["paper"][1],
        body_text_color=GREYS["ink"][0],
        body_text_color_dark=GREYS["ink"][1],
    )


def style_sheet() -> str:
    """All CSS of the page: the colours, the page's, then one file for each part."""
    page = ASSETS / "page.css"
    parts = [page, *sorted(path for path in ASSETS.glob("*.css") if path != page)]
    return "\n".join([css_variables(), *(path.read_text(encoding="utf-8") for path in parts)])


def head(experts: Mapping[Family, Mapping[str, Sequence[str]]]) -> str:
    """What every component finds on the page: the style sheet, and the state that they share.

    experts: family → configuration → the names of its experts
    """
    variations: dict[str, list[str]] = {}
    for name, variation in VARIATIONS.items():
        for kind in variation.kinds:
            variations.setdefault(kind, []).append(name)
    names = f"const EXPERTS = {json.dumps(experts)}, VARIATIONS = {json.dumps(variations)};"
    shared = names + script("mix", "view", "state", "modes", "address", "keys")
    # As part of the head, for Gradio rewrites the selectors of its css parameter.
    return f"<style>{style_sheet()}</style><script>(() => {{ {shared} }})();</script>"


def script(*names: str) -> str:
    """Scripts of the assets folder joined into one, for a component's js_on_load."""
    return "\n".join((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in names)
