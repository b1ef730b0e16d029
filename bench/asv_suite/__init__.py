"""The benchmarks of asv: this folder is always today's, and it measures the code of the commit."""
