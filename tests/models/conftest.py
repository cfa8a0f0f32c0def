from __future__ import annotations

import importlib.util
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from chrominance.models import Chroma, Colorizer, ModelSpec, System
from chrominance.models.shapes import dimension


class TinyNetwork(nn.Module):
    """A convolution, a batch norm with its buffers, a head, a constant that no file carries."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Conv2d(width, 2, 1)
        self.register_buffer("scale", torch.empty(2, 1, 1), persistent=False)

    def forward(self, x):
        return self.head(self.norm(self.stem(x)).relu()) * self.scale


class TinyColorizer(Colorizer):
    def __init__(self, network, spec, metadata):
        self.network, self.spec, self.metadata = network, spec, metadata

    def _colorize(self, L, conditions, *, size, temperature):
        ab = self.network(L.to(self.device, self.dtype) / 100).float()
        return Chroma(ab, torch.ones_like(ab[:, :1]))


def _remap(state):
    return {**state, "scale": torch.full((2, 1, 1), 110.0)}


def tiny_system(name="tiny", *, widths=(4, 8), **changes) -> System:
    spec = ModelSpec(name, name.title(), "no paper", "Apache-2.0", "Apache-2.0")
    fields = {
        "spec": spec,
        "signature": {"stem.weight": (None, 1, 3, 3), "norm.weight": (None,), "head.weight": (2, None, 1, 1)},
        "build": lambda shapes: TinyNetwork(dimension(shapes, "stem.weight", 0, widths)),
        "make": lambda network, metadata: TinyColorizer(network, spec, metadata),
        "remap": _remap,
        **changes,
    }
    return System(**fields)


def tiny_state(width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = TinyNetwork(width).state_dict()
    return {
        key: torch.rand(t.shape, generator=generator) + 0.1 if t.is_floating_point() else t.clone()
        for key, t in state.items()
    }


@pytest.fixture
def tiny():
    """The tiny system, its random state dicts, its network."""
    return SimpleNamespace(system=tiny_system, state=tiny_state, Network=TinyNetwork, Colorizer=TinyColorizer)


@pytest.fixture(scope="session")
def reference():
    """The module that rebuilds stand-in weights and holds what the authors' code computes with them."""
    folder = os.environ.get("CHROMINANCE_REFERENCE")
    if not folder:
        pytest.skip("CHROMINANCE_REFERENCE does not name the folder with the reference vectors")
    spec = importlib.util.spec_from_file_location("reference_recipe", Path(folder) / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_file(shapes, seed=0):
    """Tensors of these shapes, scaled so that activations neither grow nor vanish."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            fan = torch.Size(shape[1:]).numel()
            state[name] = torch.empty(shape).normal_(0, (2 / fan) ** 0.5, generator=generator)
        elif name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
        else:
            one = name.endswith(("running_var", "weight"))
            state[name] = torch.rand(shape, generator=generator) * 0.2 + (0.5 if one else -0.1)
    return state


@pytest.fixture(scope="session")
def random_weights():
    """Make of names and shapes a state dict that a network can run with."""
    return random_file


class CaffeFile:
    """What .caffemodel files are made of: protobuf by hand."""

    @staticmethod
    def number(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value % 128 + 128]), value // 128
        return out + bytes([value])

    @staticmethod
    def field(n, content):
        """A field with a length."""
        return CaffeFile.number(n << 3 | 2) + CaffeFile.number(len(content)) + content

    @staticmethod
    def blob(values, shape=True, doubles=False, packed=True):
        out = b""
        if shape:
            out += CaffeFile.field(7, CaffeFile.field(1, b"".join(CaffeFile.number(s) for s in values.shape)))
        else:
            sizes = (1,) * (4 - values.ndim) + values.shape
            out += b"".join(
                CaffeFile.number(n << 3) + CaffeFile.number(s)
                for n, s in zip((1, 2, 3, 4), sizes, strict=True)
            )
        if doubles:
            return out + CaffeFile.field(8, values.astype("<f8").tobytes())
        if packed:
            return out + CaffeFile.field(5, values.astype("<f4").tobytes())
        return out + b"".join(CaffeFile.number(5 << 3 | 5) + struct.pack("<f", v) for v in values.flat)

    @staticmethod
    def layer(name, *blobs, old=False):
        if old:
            return CaffeFile.field(
                2,
                CaffeFile.field(4, name.encode())
                + CaffeFile.number(5 << 3)
                + CaffeFile.number(4)
                + b"".join(CaffeFile.field(6, b) for b in blobs),
            )
        return CaffeFile.field(
            100,
            CaffeFile.field(1, name.encode())
            + CaffeFile.field(2, b"Convolution")
            + b"".join(CaffeFile.field(7, b) for b in blobs),
        )


@pytest.fixture(scope="session")
def caffe() -> type[CaffeFile]:
    """Writes .caffemodel files."""
    return CaffeFile
