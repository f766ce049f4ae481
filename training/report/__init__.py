"""The report: statistics over the seeds, the claims and their verdicts, tables, and the documents made of them."""
