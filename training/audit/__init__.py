"""The fairness audit: what is measured, the verdicts, and the command that tabulates them."""
