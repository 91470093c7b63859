"""Entry point of a Python module's container."""

import os
import re
import sys

name = os.environ["DAGGER_MODULE"]
os.environ["DAGGER_MAIN_OBJECT"] = "".join(word[:1].upper() + word[1:] for word in re.split(r"[-_ ]+", name))
os.environ["DAGGER_DEFAULT_PYTHON_PACKAGE"] = name.lower().replace("-", "_")

from dagger.mod.cli import app  # noqa: E402 - reads the variables above

sys.exit(app(None, "--register" in sys.argv[1:]))
