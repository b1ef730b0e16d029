"""The judgement of records: frontiers, verdicts and tables."""
