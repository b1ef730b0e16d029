"""`python -m gradpareto` is `gradpareto`."""

from gradpareto.bench.verbs.cli import main

main()
