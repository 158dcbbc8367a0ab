"""What holds for every test."""

import os
import signal

# Whoever has the official data would otherwise test with it where tests mean generated tasks.
for variable in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
    os.environ.pop(variable, None)

# Under `nohup` a closed terminal is ignored, and runs respect that; tests of it begin without.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
