"""The experts' colours, in one place. Four hues of Okabe and Ito's palette, which colour-blind people can tell apart,
shaded so that each has a contrast of at least 3:1 against its background; greys for the plain FFN experts."""

# expert: (on a light page, on a dark page)
EXPERT_COLOURS = {
    "spatial": ("#0072b2", "#56b4e9"),
    "temporal": ("#c85a00", "#f59a45"),
    "spectral": ("#00835f", "#2bc79a"),
    "relational": ("#a8508a", "#e29ac6"),
    "ffn": ("#5b6570", "#aab4be"),
    "ffn 1": ("#363e46", "#c3ccd5"),
    "ffn 2": ("#4f5963", "#aab4be"),
    "ffn 3": ("#677280", "#919ca7"),
    "ffn 4": ("#7f8a95", "#7d8893"),
}

# configuration: likewise. Greys and violets, so that no configuration is taken for an expert
CONFIGURATION_COLOURS = {
    "homogeneous": ("#6b7580", "#929ca7"),
    "heterogeneous": ("#3b2391", "#c9bcff"),
    "hybrid": ("#8468d8", "#8f78e6"),
}


def css_variables() -> str:
    """A style sheet with a variable for every expert, `--expert-NAME`, light and dark ("ffn 1" is `--expert-ffn-1`)."""

    def block(selector: str, theme: int) -> str:
        lines = [f"--expert-{name.replace(' ', '-')}: {shades[theme]};" for name, shades in EXPERT_COLOURS.items()]
        return f"{selector} {{ {' '.join(lines)} }}"

    return block(":root", 0) + "\n" + block(".dark", 1)
