"""`python -m dedup.cli`: the command line where no `dedup` is on the path."""

from dedup.cli import main

main()
