"""All colours, in one place: the page's and its figures'. The experts have four hues of Okabe and Ito's palette, which
colour-blind people can tell apart, shaded so that each has a contrast of at least 3:1 against its background; greys for
the plain FFN experts."""

# grey: (on a light page, on a dark page)
GREYS = {
    "paper": ("#ffffff", "#121416"),
    "ink": ("#16191d", "#f1f3f5"),
    "quiet": ("#59626c", "#a3adb7"),
    "line": ("#dfe3e7", "#2c3238"),
    "track": ("#edf0f2", "#23282d"),
    "raised": ("#f4f6f7", "#1c2024"),
    "rule": ("#c3cad1", "#49525b"),
}

# expert: likewise
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

# verdict on a claim: likewise. A word and a sign always stand beside the colour
VERDICT_COLOURS = {
    "holds": ("#17703a", "#5fcf86"),
    "holds partly": ("#855700", "#e0b050"),
    "does not hold": ("#b3261e", "#ff8a80"),
    "not measured": ("#59626c", "#a3adb7"),
}


def css_variables() -> str:
    """A style sheet with a variable for every colour, light and dark: `--hm-GREY`, `--expert-NAME`, `--verdict-NAME`,
    in which blanks become hyphens ("ffn 1" is `--expert-ffn-1`)."""
    colours = {"hm": GREYS, "expert": EXPERT_COLOURS, "verdict": VERDICT_COLOURS}

    def block(selector: str, theme: int) -> str:
        lines = [
            f"--{kind}-{name.replace(' ', '-')}: {shades[theme]};"
            for kind, named in colours.items()
            for name, shades in named.items()
        ]
        return f"{selector} {{ {' '.join(lines)} }}"

    return block(":root", 0) + "\n" + block(".dark", 1)


def on_dark() -> dict[str, str]:
    """What every colour of a figure on a light page becomes on a dark one."""
    return dict([*GREYS.values(), *EXPERT_COLOURS.values(), *CONFIGURATION_COLOURS.values()])
