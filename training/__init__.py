"""Training: `python -m training …` runs the experiments that made the published weights and numbers."""
