"""The page's own components: gr.HTML with a script each. (Functions, for Gradio writes a stub file beside every module
with a subclass.)"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from hetmoe.demo.classify import MODALITIES
from hetmoe.demo.sources import examples
from hetmoe.demo.theme import ASSETS, script
from hetmoe.variations import VARIATIONS

MAX_FILE_MEGABYTES = 100
INPUT_SCRIPTS = {"picture": ("picture",), "sound": ("microphone", "live", "sound"), "digit": ("digit",)}
SNAPSHOT = ASSETS / "vendor" / "html-to-image.min.js"


def make_input(kind: str) -> gr.HTML:
    """An input of a kind (picture, sound or digit) with its examples, of which it holds the first.

    Its value is as sources.open_source explains; its event `input` says that a person has changed it.
    """
    files = examples(kind)
    return gr.HTML(
        value={"example": next(iter(files))},
        html_template=(ASSETS / f"{kind}.html").read_text(encoding="utf-8") + _example_strip(files),
        js_on_load=script("inputs", *INPUT_SCRIPTS[kind]),
        elem_classes=["hm-input"],
        apply_default_css=False,
        kind=kind,
        max_megabytes=MAX_FILE_MEGABYTES,
    )


def make_static(name: str, *helpers: str, **props: Any) -> gr.HTML:
    """A part of the page that only the browser changes, from the assets of that name; its script builds on the helpers'
    and finds the props."""
    return gr.HTML(
        (ASSETS / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=script(*helpers, name) if (ASSETS / f"{name}.js").exists() else None,
        apply_default_css=False,
        **props,
    )


def make_experiments() -> gr.HTML:
    """The panel of ready-made experiments, which compares an input with itself, changed, or with another one."""
    experiments = {
        kind: [
            {"name": name, "label": v.label, "sentences": v.sentences[kind], "strength": v.strength, "ends": v.ends}
            for name, v in VARIATIONS.items()
            if kind in v.kinds
        ]
        for kind in MODALITIES
    }
    return make_static("experiments", experiments=experiments)


def make_share() -> gr.HTML:
    """The popover of the Share button; the library that draws pictures of the page is sent when it is first needed."""
    return make_static("share", "snapshot", library=f"gradio_api/file={SNAPSHOT.as_posix()}")


def make_results(kind: str, value: dict[str, Any]) -> gr.HTML:
    """What the models answer to a kind of input: what they see, who answers, the answer, and why.

    value: as classify.answer returns it
    """
    return gr.HTML(
        value=value,
        html_template='<div class="hm-results"></div>',
        js_on_load=script("results"),
        apply_default_css=False,
        kind=kind,
        modalities=MODALITIES[kind],
    )


def _example_strip(files: dict[str, Path]) -> str:
    buttons = []
    for name, path in files.items():
        url = f"gradio_api/file={quote(path.as_posix())}"
        picture = f'<img src="{url}" alt="">' if path.suffix == ".png" else '<span aria-hidden="true">▶</span>'
        buttons.append(
            f'<button type="button" class="hm-example" data-name="{name}" data-url="{url}" aria-pressed="false">'
            f"{picture}<span>{name}</span></button>"
        )
    return (
        f'<div class="hm-examples" data-hideable="examples" role="group" aria-label="Examples">{"".join(buttons)}</div>'
    )
