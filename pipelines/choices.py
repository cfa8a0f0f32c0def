"""What users can choose, and its limits; imported at ComfyUI's start, so it imports nothing of the engine."""

from __future__ import annotations

#: Ways to recolour by palettes (``recolor.METHODS``), to match colours (``color_match.METHODS``), and to
#: find a picture's light.
RECOLOR_METHODS = ("soft", "chang")
MATCH_METHODS = ("reinhard", "monge_kantorovich", "sliced")
LIGHT_METHODS = ("learned", "shades of grey", "grey world")

#: How the colours of one palette find those of another: by their places, or by optimal transport.
PAIRINGS = ("order", "transport")

#: How many versions can be drawn at once, and the largest seed.
MOST_VARIANTS, LAST_SEED = 64, 2**64 - 1
