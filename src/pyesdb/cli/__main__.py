"""`python -m pyesdb.cli` is the command `pyesdb`."""

from pyesdb.cli.app import main

if __name__ == "__main__":
    main(prog_name="pyesdb")
