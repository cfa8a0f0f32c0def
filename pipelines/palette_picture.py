"""A palette as a picture: its colours, as wide as their shares, each with what it is called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .palette import Palette, Swatch

# Of the width: what every colour has at least, if 16 of them left it; and the gaps between.
_LEAST = 0.04
_GAP, _MARGIN = 0.004, 0.02
_BACKGROUND = (28, 28, 30)
# Sizes of letters, of the height: the largest that fits is taken.
_LETTERS = (0.11, 0.095, 0.08, 0.068, 0.058, 0.05, 0.042)
_LEAST_LETTER = 7

_RGB = tuple[int, int, int]


def swatch_picture(palette: Palette, width: int = 1024, height: int = 256) -> Tensor:
    """Draw the colours of a palette: [3,height,width] sRGB 0..1.

    Each with its hex, its share, its name, and a lock where it is locked; upright where that fits, else
    turned by 90°, and left out where not even that is readable. Raises ValueError for a size below 16.
    """
    if min(width, height) < 16:
        raise ValueError(f"a picture of swatches must be at least 16×16, got {width}×{height}")
    page = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(page)
    margin, gap = round(height * _MARGIN * 2), max(1, round(width * _GAP))
    radius = max(2, height // 32)
    edges = _edges(palette.weights.double().numpy(), width - 2 * margin, gap)
    for one, share, (begin, end) in zip(palette.swatches, palette.weights.tolist(), edges, strict=True):
        box = (margin + begin, margin, margin + end - 1, height - margin - 1)
        color = _color(one)
        draw.rounded_rectangle(box, radius, fill=color)
        label = _label(one, share, (box[2] - box[0] + 1, box[3] - box[1] + 1), height, _ink(color), color)
        page.paste(label, box[:2], _corners(label.size, radius))
    return torch.from_numpy(np.array(page)).permute(2, 0, 1).float() / 255


def _edges(weights: np.ndarray, width: int, gap: int) -> list[tuple[int, int]]:
    """Divide a width by weights, with gaps between and a least width for each."""
    count = len(weights)
    room = width - gap * (count - 1)
    least = min(_LEAST, 0.8 / count)
    shares = np.maximum(weights, least)
    # Those above the least pay for those below it.
    free = weights > least
    over = shares.sum() - 1
    if over > 0 and free.any():
        spare = shares[free] - least
        shares[free] -= over * spare / spare.sum()
    ends = np.rint(np.cumsum(shares / shares.sum()) * room).astype(int)
    starts = np.concatenate([[0], ends[:-1]])
    return [
        (int(a) + n * gap, max(int(b), int(a) + 1) + n * gap)
        for n, (a, b) in enumerate(zip(starts, ends, strict=True))
    ]


def _label(
    swatch: Swatch, share: float, size: tuple[int, int], height: int, ink: _RGB, color: _RGB
) -> Image.Image:
    """Draw one swatch's texts on its colour."""
    percent = f"{share * 100:.1f} %" if share < 0.0995 else f"{share * 100:.0f} %"
    lines = [line for line in (swatch.name, swatch.hex, percent) if line]
    across = (size[1], size[0])
    in_one = f"{swatch.hex}   {percent}"
    upright = _fit(lines, size, height)
    turned = _fit([in_one], across, height)
    # Upright reads better, unless it has to be much smaller.
    turn = turned is not None and (upright is None or turned > 1.6 * upright)
    letter = turned if turn else upright
    lines = ["   ".join(filter(None, (in_one, swatch.name)))] if turn else lines
    label = Image.new("RGB", across if turn else size, color)
    if letter is not None:
        draw = ImageDraw.Draw(label)
        pad = max(2, letter // 2)
        y = label.height - pad if not turn else (label.height + round(letter * 1.25)) // 2
        for number, line in enumerate(reversed(lines)):
            y -= round(letter * 1.25)
            font = ImageFont.load_default(letter)
            wide = label.width - 2 * pad - (2 * letter if turn and swatch.locked else 0)
            draw.text((pad, y), _cut(draw, line, font, wide), fill=ink, font=font)
            if number == 1:
                y -= letter // 6
        if swatch.locked:
            at = (label.width - pad - letter, (label.height - letter) // 2) if turn else (pad, pad)
            _draw_lock(draw, at, letter, ink)
    elif swatch.locked:
        _draw_lock(ImageDraw.Draw(label), (1, 2), max(4, min(size) - 3), ink)
    return label.transpose(Image.Transpose.ROTATE_90) if turn else label


def _fit(lines: Sequence[str], size: tuple[int, int], height: int) -> int | None:
    """Return the largest size of letters whose hex and share fit; a name may be cut."""
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    for part in _LETTERS:
        letter = round(height * part)
        if letter < _LEAST_LETTER:
            break
        font = ImageFont.load_default(letter)
        pad = max(2, letter // 2)
        wide = max(draw.textlength(line, font=font) for line in lines[-2:])
        if len(lines) == 1:  # the lock stands beside
            wide, high, pad = wide + 2 * letter, letter, max(2, letter // 4)
        else:  # one line more for it
            high = round(letter * 1.25) * (len(lines) + 1) + letter // 6
        if wide <= size[0] - 2 * pad and high <= size[1] - 2 * pad:
            return letter
    return None


def _cut(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float
) -> str:
    """Shorten a text to a width."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…" if text else ""


def _draw_lock(draw: ImageDraw.ImageDraw, at: tuple[int, int], size: int, ink: _RGB) -> None:
    """Draw a padlock, as the built-in font has none."""
    x, y = at
    wide, high = round(size * 0.9), round(size * 0.65)
    line = max(1, size // 8)
    top = y + size - high
    draw.rounded_rectangle((x, top, x + wide, top + high), line, fill=ink)
    bow = (x + wide * 0.2, y, x + wide * 0.8, y + 2 * (size - high))
    draw.arc(bow, 180, 360, fill=ink, width=line)


def _corners(size: tuple[int, int], radius: int) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius, fill=255)
    return mask


def _color(swatch: Swatch) -> _RGB:
    red, green, blue = bytes.fromhex(swatch.hex[1:])
    return red, green, blue


def _ink(color: _RGB) -> _RGB:
    """Return black or white, whichever stands out more (WCAG 2.1's contrast)."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in color]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
