"""`python -m pathwarden`."""

import sys

from pathwarden.cli.main import main

sys.exit(main())
