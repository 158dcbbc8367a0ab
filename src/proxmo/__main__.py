"""`python -m proxmo` is `proxmo`."""

import sys

from proxmo.cli import main

if __name__ == "__main__":
    sys.exit(main())
