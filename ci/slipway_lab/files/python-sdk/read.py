"""Prints the image that a Python module runs in, by the published runtime's rules."""

import sys
import tomllib
from pathlib import Path

folder = Path(sys.argv[1])
settings = folder / "pyproject.toml"
project = tomllib.loads(settings.read_text()) if settings.exists() else {}
image = project.get("tool", {}).get("dagger", {}).get("base-image", "")
if not image:
    pinned = folder / ".python-version"
    bound = project.get("project", {}).get("requires-python", "").strip()
    version = pinned.read_text().strip() if pinned.exists() else ""
    if not version and bound[:2] in {"==", ">="}:
        version = bound[2:].strip()
    image = f"docker.io/library/python:{version or '3.14'}-slim"
sys.stdout.write(image)
