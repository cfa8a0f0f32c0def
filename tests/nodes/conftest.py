"""Puts the stand-in for ComfyUI's API on the import path, and gives every test a fresh host."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

STUBS = Path(__file__).parents[1] / "nodes_api_stubs"
if str(STUBS) not in sys.path:
    sys.path.append(str(STUBS))

from chrominance.models.contract import Chroma, Colorizer, Conditions, ModelSpec  # noqa: E402
from chrominance.nodes import host  # noqa: E402


class PlainColorizer(Colorizer):
    """Proposes one colour everywhere, at a sixteenth of the size; sure where the picture is bright."""

    spec = ModelSpec(
        system="plain",
        title="Plain",
        paper="none",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        size=64,
        temperature=0.4,
    )

    def __init__(self) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        self.calls: list[int] = []
        self.out_of_memory_above = 1_000_000
        self.seen: dict[str, float | None] = {}

    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        import comfy.model_management as management

        self.calls.append(len(L))
        self.seen = {"size": size, "temperature": temperature}
        if len(L) > self.out_of_memory_above:
            raise management.OutOfMemoryError("no memory left")
        small = nn.functional.adaptive_avg_pool2d(L.float(), (max(1, L.shape[2] // 16), 4))
        ab = torch.tensor([20.0, -30.0]).view(1, 2, 1, 1).expand(len(L), 2, *small.shape[2:])
        return Chroma(ab.contiguous(), small / 100)


@pytest.fixture(autouse=True)
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the stand-in folders of its own, and undo whatever a test does to it."""
    import comfy.model_management as management
    import comfy.utils
    import folder_paths

    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path / "fetched"))
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "models"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    monkeypatch.setattr(management, "interrupted", False)
    monkeypatch.setattr(management, "current_loaded_models", [])
    monkeypatch.setattr(management, "cache_emptied", 0)
    monkeypatch.setattr(comfy.utils.ProgressBar, "made", [])
    host.register_model_folder()
    cache = host.model_cache  # a test may put another one in its place
    cache.cache_clear()
    yield
    cache.cache_clear()


@pytest.fixture
def plain() -> PlainColorizer:
    """A colorizer that needs no weights."""
    return PlainColorizer()


@pytest.fixture
def hosted(plain: PlainColorizer) -> host.HostedColorizer:
    """The same, as COLORIZER sockets carry it."""
    return host._host(plain)


@pytest.fixture
def pictures() -> Tensor:
    """Three colourful pictures as an IMAGE [3,33,47,3]."""
    return torch.rand(3, 33, 47, 3, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def clip_over(tmp_path: Path) -> Callable[[Tensor], Any]:
    """Make of an IMAGE, 128 x 172 pixels or larger, a VIDEO of four frames that move over it."""
    import av
    from comfy_api.latest import InputImpl

    def write(image: Tensor) -> Any:
        path = tmp_path / "clip.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("h264", rate=10, options={"crf": "4"})
            stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
            for number in range(4):
                frame = image[0, :128, 4 * number : 4 * number + 160, :3]
                pixels = (frame * 255).round().byte().numpy()
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(stream.encode())
        return InputImpl.VideoFromFile(str(path))

    return write


@pytest.fixture
def frames_of() -> Callable[[Any], NDArray[np.uint8]]:
    """Read all frames of a VIDEO, [N,H,W,3]."""
    import av

    def read(video: Any) -> NDArray[np.uint8]:
        with av.open(video.get_stream_source()) as container:
            return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])

    return read
