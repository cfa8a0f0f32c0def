from __future__ import annotations

from chrominance.models import get_system

# The convolutions before pixel shuffles, which the signature leaves out for their two forms.
SHUFFLES = {
    "layers.4.shuf.0.0": (1024, 512),
    "layers.5.shuf.0.0": (1024, 512),
    "layers.6.shuf.0.0": (768, 384),
    "layers.7.shuf.0.0": (512, 256),
    "layers.8.0.0": (384, 96),
}


def shapes_of(name):
    """Every tensor of a file of that system, the discriminator's left out."""
    system = get_system(name)
    shapes = dict(system.signature)
    if "res18" in name:
        prefix = "" if name.endswith("generator") else "net_G."
        for module, (c_out, c_in) in SHUFFLES.items():
            shapes |= {f"{prefix}{module}.weight": (c_out, c_in, 1, 1), f"{prefix}{module}.bias": (c_out,)}
    norms = [key.removesuffix(".running_var") for key in shapes if key.endswith(".running_var")]
    shapes |= {f"{norm}.num_batches_tracked": () for norm in norms}
    for norm in [key.removesuffix("/gamma") for key in shapes if key.endswith("/gamma")]:
        shapes |= {f"{norm}/moving_{what}": shapes[f"{norm}/gamma"] for what in ("mean", "variance")}
    return shapes
