"""Run by ComfyUI-Manager and comfy-cli once the requirements are installed: looks whether the pack can start.

It installs and fetches nothing: that is the user's to say. Running it again does no harm, and without it the
pack works as well.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

#: What the pack cannot do without, and what for; the host brings torch.
NEEDED = {
    "torch": "the networks",
    "av": "clips",
    "safetensors": "checkpoints",
    "PIL": "pictures",
    "numpy": "everything",
}
#: Oldest Python.
OLDEST = (3, 10)


def problems(root: Path) -> list[str]:
    """Return what keeps the pack in ``root`` from starting, a line each."""
    found = []
    if sys.version_info < OLDEST:
        found.append(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    for name, purpose in NEEDED.items():
        if importlib.util.find_spec(name) is None:
            found.append(f"{name} is missing, for {purpose}: install requirements.txt with this Python")
    if not (root / "models" / "weights" / "embedded.safetensors").is_file():
        found.append("the network's weights are missing: clone or install the pack again")
    return found


def main() -> int:
    """Say what is missing, or what can be done next; return 1 where the pack could not start."""
    found = problems(Path(__file__).resolve().parent)
    for line in found:
        sys.stderr.write(f"Chrominance: {line}\n")
    if not found:
        sys.stdout.write("Chrominance is ready: it colours with the network that is inside.\n")
        if importlib.util.find_spec("cv2") is None:
            sys.stdout.write("Keyframes on clips need OpenCV too, any of its packages.\n")
        sys.stdout.write(
            "Published networks are optional; put them into models/colorization. For a list: "
            "chrominance models, or docs/weights.md.\n"
        )
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
