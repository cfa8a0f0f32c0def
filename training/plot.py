"""Draw a run's log: ``python -m chrominance.training plot STATE -o FIGURE.png``."""

from __future__ import annotations

import json
from pathlib import Path


def read_log(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Read ``log.jsonl`` of a run's state: every figure by name, as samples seen and values.

    Raises FileNotFoundError where there is no log, ValueError for a line that is none.
    """
    path = folder / "log.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"no log {path}: give the --state folder of a training run")
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            samples = int(line["samples"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number} is no line of a training log: {text[:60]}") from error
        for name, value in line.items():
            if name not in ("samples", "time"):
                where, values = curves.setdefault(name, ([], []))
                where.append(samples)
                values.append(float(value))
    return curves


def plot_log(folder: Path, target: Path) -> None:
    """Draw every figure of a run's log over the samples seen, a panel each, into a picture file.

    Raises ImportError without Matplotlib (in the extra "train"); what ``read_log`` raises.
    """
    curves = read_log(folder)
    if not curves:
        raise ValueError(f"the log in {folder} is empty: let the run go on for half a minute")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure, panels = pyplot.subplots(rows, columns, figsize=(5 * columns, 3 * rows), squeeze=False)
    for panel, (name, (samples, values)) in zip(panels.flat, curves.items(), strict=False):
        panel.plot(samples, values, marker="." if len(values) < 30 else "")
        panel.set_title(name)
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(curves) :]:
        panel.axis("off")
    figure.tight_layout()
    part = target.with_name(target.name + ".part")
    figure.savefig(part, format=target.suffix.lstrip(".") or "png")
    pyplot.close(figure)
    part.replace(target)
