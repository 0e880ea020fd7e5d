"""`python -m musevae` is the command `musevae`."""

from musevae.cli import main

if __name__ == "__main__":
    main()
