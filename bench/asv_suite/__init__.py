"""asv's benchmarks. Thin: this folder is always today's, what it measures the commit's."""
