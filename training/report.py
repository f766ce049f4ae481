"""The report."""

from training.realdata_tables import realdata_report

__all__ = ["realdata_report"]
