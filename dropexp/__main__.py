"""``python -m dropexp``."""

from dropexp.cli import main

if __name__ == "__main__":
    main()
