"""``python -m rectifier``."""

from rectifier.cli import main

main()
