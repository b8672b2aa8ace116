"""``python -P -m airlock``: the command line."""

import sys

from airlock.cli import main

sys.exit(main(sys.argv[1:]))
