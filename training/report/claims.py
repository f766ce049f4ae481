"""Every claim of the paper, judged by the results (Satpathy, "Architectural Heterogeneity in Mixture-of-Experts").

How: see `RULE` in training.criteria.
"""

from training.report.comparison import Results
from training.report.criteria import Claim
from training.report.realdata_claims import realdata_claims
from training.report.synthetic_claims import synthetic_claims


def claims(results: Results) -> list[Claim]:
    """Those about the synthetic experiments, then those about real data."""
    return [*synthetic_claims(results.synthetic), *realdata_claims(results.realdata, results.controls)]
