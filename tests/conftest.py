"""What holds for every test."""

import os

# Whoever has the official data would otherwise test with it where tests mean generated tasks.
for variable in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
    os.environ.pop(variable, None)
