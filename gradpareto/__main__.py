"""`python -m gradpareto` is `gradpareto`."""

from gradpareto.command import main

if __name__ == "__main__":
    main()
