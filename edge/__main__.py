"""`python -m edge`: the same command line as the `edge` script."""

from edge.cli.app import main

if __name__ == "__main__":
    main()
