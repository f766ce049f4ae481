"""The mixture that the browser computes (mix.js) is that of hetmoe.analysis."""

from itertools import product
from typing import Any

import numpy as np

from hetmoe.analysis import WhatIf, contributions, remix
from hetmoe.inference import Prediction
from tests.browser.hand import Hand

EXPERTS = ("spatial", "temporal", "spectral", "relational")
# The page's own predictions, and some on the edge: equal weights, and one expert alone.
ROUTING_WEIGHTS = (None, [0.25] * 4, [0.0, 1.0, 0.0, 0.0])
SHARES: tuple[dict[str, float], ...] = (
    {},
    {"spatial": 0.0},
    {"temporal": 0.0, "spectral": 0.0},
    {"spatial": 0.35},
    {"spatial": 0.9, "relational": 0.6},
    {"spatial": 1.0},
    {"spatial": 0.2, "temporal": 0.2, "spectral": 0.2, "relational": 0.2},
    dict.fromkeys(EXPERTS, 0.0),
)
MIX = """([lane, cases]) => cases.map((whatIf) => {
  hm.set(whatIf);
  return hm.mix(lane);
})"""


def prediction_of(lane: dict[str, Any]) -> Prediction:
    """From the numbers that the page has."""
    model = lane["models"]["heterogeneous"]
    return Prediction(
        lane["modality"], np.array(lane["encoding"]), tuple(model["experts"]), tuple(lane["labels"]),
        np.array(model["routing_weights"]), np.array(model["expert_logits"]),
    )  # fmt: skip


def test_what_ifs_are_those_of_the_library(hand: Hand) -> None:
    cases: list[dict[str, Any]] = [
        {"routing": routing, "temperature": temperature, "shares": shares}
        for routing, temperature, shares in product(("learned", "uniform", "top-1"), (0.25, 1, 3), SHARES)
    ]
    (lane,) = hand.page.evaluate("hm.payload.inputs")
    for weights in ROUTING_WEIGHTS:
        model = lane["models"]["heterogeneous"]
        model["routing_weights"] = weights or model["routing_weights"]
        plain = prediction_of(lane)
        for case, found in zip(cases, hand.page.evaluate(MIX, [lane, cases]), strict=True):
            expected = remix(plain, WhatIf(**case))
            np.testing.assert_allclose(found["weights"], expected.routing_weights, atol=1e-12, err_msg=str(case))
            np.testing.assert_allclose(found["logits"], expected.logits, atol=1e-9)
            np.testing.assert_allclose(found["probabilities"], expected.probabilities, atol=1e-9)
            np.testing.assert_allclose(found["contributions"], contributions(expected), atol=1e-9)
            assert found["answers"] == (expected.routing_weights.sum() > 0)
            assert found["order"][0] == expected.logits.argmax()
