"""`python -m services.cli` is `yewu`."""

from services.cli import main

main()
