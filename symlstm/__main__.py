"""`python -m symlstm` is the command `symlstm`."""

from symlstm.cli import main

if __name__ == "__main__":
    main()
