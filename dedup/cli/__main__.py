"""`python -m dedup.cli`: the command line where no `dedup` is on the path."""

from dedup.cli import main

if __name__ == "__main__":  # worker processes import this module too
    main()
