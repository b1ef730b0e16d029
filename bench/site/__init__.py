"""The report of a run: a folder of static pages that a browser opens without a network."""
