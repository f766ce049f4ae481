"""Speed and robustness, measured: `python -m benchmarks.prediction`, `python -m benchmarks.robustness` …"""
