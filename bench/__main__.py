"""`python -m bench` is `gradpareto`."""

from bench.cli import main

main()
