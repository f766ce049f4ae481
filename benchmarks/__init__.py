"""Speed, measured: `python -m benchmarks.training`, `python -m benchmarks.prediction`."""
