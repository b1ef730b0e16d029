"""asv's benchmarks. Thin on purpose: this folder is always today's, what it measures the commit's."""
