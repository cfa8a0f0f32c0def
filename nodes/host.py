"""ComfyUI's side of the pack: the only module that touches comfy and folder_paths.

Everything of ComfyUI is looked up when it is called: it rebinds some of these names at its start.
"""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import folder_paths
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

    from ..models import ModelCache
    from ..models.contract import Colorizer
    from ..models.features import FeatureExtractor
    from ..models.published import Published

#: The folder under ComfyUI's models, and the name of its entry in extra_model_paths.yaml.
MODEL_FOLDER = "colorization"
#: The choice that needs no file: the network that ships with the pack.
EMBEDDED = "embedded"
#: How many colorizers stay loaded at once; ComfyUI decides which of them are on the GPU.
CACHED_COLORIZERS = 2
#: How many pictures go through the network together on a GPU at most, and how many pixels.
GPU_BATCH, GPU_PIXELS = 8, 16_000_000

#: How often a clip that is being made is shown, and how large.
SHOW_SECONDS, PREVIEW_SIDE = 1.0, 512

#: Working memory, in bytes a pixel: of a network's input, and of the picture that is merged.
NETWORK_BYTES, MERGE_BYTES = 4096, 128

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class HostedColorizer:
    """A colorizer whose place in memory ComfyUI's memory manager decides: what COLORIZER sockets carry."""

    colorizer: Colorizer
    patcher: comfy.model_patcher.ModelPatcher

    def ready(self, memory: int = 0) -> Colorizer:
        """Put the network where ComfyUI computes, with ``memory`` bytes left for its work; return it."""
        _place(self.patcher, self.colorizer, memory)
        return self.colorizer


@dataclass(frozen=True)
class HostedFeatures:
    """A network that pictures are compared by, placed in memory as a colorizer is."""

    extractor: FeatureExtractor
    patcher: comfy.model_patcher.ModelPatcher

    def ready(self, memory: int = 0) -> FeatureExtractor:
        """Put the network where ComfyUI computes, with ``memory`` bytes left for its work; return it."""
        _place(self.patcher, self.extractor, memory)
        return self.extractor


def _place(
    patcher: comfy.model_patcher.ModelPatcher, model: Colorizer | FeatureExtractor, memory: int
) -> None:
    # A plain module cannot run half loaded: it is small, so it is loaded whole.
    comfy.model_management.load_models_gpu([patcher], memory_required=memory, force_full_load=True)
    device = patcher.load_device
    if any(parameter.device != device for parameter in model.network.parameters()):
        # With --novram ComfyUI loads nothing by itself; unloading later moves it back all the same.
        model.to(device)


def _patcher(model: Colorizer | FeatureExtractor) -> comfy.model_patcher.ModelPatcher:
    model.network.eval()
    return comfy.model_patcher.CoreModelPatcher(
        model.network,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def _host(colorizer: Colorizer) -> HostedColorizer:
    return HostedColorizer(colorizer, _patcher(colorizer))


def _host_features(extractor: FeatureExtractor) -> HostedFeatures:
    return HostedFeatures(extractor, _patcher(extractor))


def _load_features(path: Path, dtype: torch.dtype) -> HostedFeatures:
    from ..models.features_load import load_features

    return _host_features(load_features(path, dtype=dtype))


@functools.lru_cache(maxsize=1)
def model_cache() -> ModelCache[HostedColorizer]:
    """Return the one cache that every node shares; made at the first call."""
    from ..models import ModelCache

    return ModelCache(CACHED_COLORIZERS, wrap=_host)


@functools.lru_cache(maxsize=1)
def feature_cache() -> ModelCache[HostedFeatures]:
    """Return the one cache of what pictures are compared by, beside the colorizers' own."""
    from ..models import ModelCache

    return ModelCache(1, _load_features)


def ready_features(name: str, hosted: HostedColorizer, memory: int = 0) -> FeatureExtractor:
    """Return what pictures are compared by, where ComfyUI computes.

    ``name``: of ``colorizer_names``. EMBEDDED is the network of ``hosted`` where that is the embedded one, so
    that it is not loaded twice. Raises CheckpointError for a file that gives no features.
    """
    from ..models.embedded import EmbeddedNetwork
    from ..models.embedded.features import EmbeddedFeatures

    if name != EMBEDDED:
        return feature_cache().get(colorizer_source(name), choose_dtype("auto")).ready(memory)
    if not isinstance(hosted.colorizer.network, EmbeddedNetwork):
        hosted = hosted_colorizer()
    colorizer = hosted.ready(memory)
    colorizer.check_once()
    network = colorizer.network
    assert isinstance(network, EmbeddedNetwork)
    return EmbeddedFeatures(network)


def register_model_folder() -> None:
    """Add models/colorization to the folders that ComfyUI looks for models in.

    What extra_model_paths.yaml has put there stays, and comes first. The folder that the command line fetches
    into comes last.
    """
    from ..models.folders import CHECKPOINT_EXTENSIONS, user_models_folder

    folder_paths.add_model_folder_path(MODEL_FOLDER, str(Path(folder_paths.models_dir) / MODEL_FOLDER))
    folder_paths.add_model_folder_path(MODEL_FOLDER, str(user_models_folder()))
    paths, extensions = folder_paths.folder_names_and_paths[MODEL_FOLDER]
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (paths, set(extensions) | CHECKPOINT_EXTENSIONS)


def colorizer_names() -> list[str]:
    """Return what can be loaded: the embedded network, then the checkpoints that are there."""
    return [EMBEDDED, *folder_paths.get_filename_list(MODEL_FOLDER)]


def fetchable_names() -> list[str]:
    """Return what is published, can be fetched, and is not there yet, each marked with how to fetch it."""
    from ..models.published import PUBLISHED

    names = {Path(name).name for name in folder_paths.get_filename_list(MODEL_FOLDER)}
    known = (entry for entry in PUBLISHED if entry.fetchable and not entry.part_of)
    return [_fetch_mark(entry) for entry in known if not names & entry.file_names]


def _fetch_mark(entry: Published) -> str:
    terms = ", non-commercial" if entry.non_commercial else ""
    return f"{entry.name} (not here{terms}: chrominance models fetch {entry.name})"


def colorizer_source(name: str) -> str | Path:
    """Return what ``models.load_colorizer`` takes for a name of ``colorizer_names``.

    Raises FileNotFoundError for a checkpoint that is not there.
    """
    from ..models.published import PUBLISHED

    if name == EMBEDDED:
        return EMBEDDED
    for entry in PUBLISHED:
        if name == _fetch_mark(entry):
            raise FileNotFoundError(
                f"{entry.title} is not here yet. Fetch it with `chrominance models fetch {entry.name}` "
                f"({_size(entry)}, weights: {entry.weights_licence}), or put {entry.local_name} from "
                f"{entry.page or entry.addresses[0]} into models/{MODEL_FOLDER}; then press R"
            )
    path = folder_paths.get_full_path(MODEL_FOLDER, name)
    if path is None:
        raise FileNotFoundError(
            f"no checkpoint {name} in models/{MODEL_FOLDER}: put the file there, or choose {EMBEDDED}"
        )
    return Path(path)


def _size(entry: Published) -> str:
    return "size unknown" if entry.size is None else f"{entry.size / 1e6:.0f} MB"


def choose_dtype(name: str) -> torch.dtype:
    """Return the type to compute in; "auto" takes the fastest that is accurate on this device."""
    if name != "auto":
        return DTYPES[name]
    device = comfy.model_management.get_torch_device()
    if comfy.model_management.should_use_fp16(device):
        return torch.float16
    if comfy.model_management.should_use_bf16(device):
        return torch.bfloat16
    return torch.float32


def hosted_colorizer(name: str = EMBEDDED, dtype: str = "auto") -> HostedColorizer:
    """Return a colorizer from the cache, loaded from disk if it is not there yet."""
    return model_cache().get(colorizer_source(name), choose_dtype(dtype))


def hosted(colorizer: HostedColorizer | None) -> HostedColorizer:
    """Return what a COLORIZER socket carries, or the embedded network where it is not connected.

    Raises ValueError for another pack's socket of the same name.
    """
    if colorizer is None:
        return hosted_colorizer()
    if not isinstance(colorizer, HostedColorizer):
        raise ValueError(
            f"colorizer must come from Load Colorizer of Chrominance, got {type(colorizer).__name__}"
        )
    return colorizer


def working_memory(colorizer: Colorizer, size: int | None, height: int, width: int, batch: int) -> int:
    """Return about how many bytes colouring ``batch`` pictures at a time takes beside the weights."""
    side = size or colorizer.spec.size
    seen = side * side * max(height, width) / min(height, width)
    return int(batch * (seen * NETWORK_BYTES + height * width * MERGE_BYTES))


def compute_device() -> torch.device:
    """Return the device that ComfyUI computes on."""
    return comfy.model_management.get_torch_device()


def start_batch(height: int, width: int) -> int:
    """Return how many pictures to begin with at a time: a CPU gains nothing from more than one."""
    if compute_device().type == "cpu":
        return 1
    return max(1, min(GPU_BATCH, GPU_PIXELS // (height * width)))


def empty_result(*shape: int) -> Tensor:
    """Return a tensor to fill where ComfyUI keeps what goes from node to node, in the type it keeps."""
    return torch.empty(
        shape,
        dtype=comfy.model_management.intermediate_dtype(),
        device=comfy.model_management.intermediate_device(),
    )


def empty_exact(*shape: int) -> Tensor:
    """Return a float32 tensor to fill on the same device, for values that half precision would spoil."""
    return torch.empty(shape, dtype=torch.float32, device=comfy.model_management.intermediate_device())


def progress(total: int | None) -> Callable[[int], None]:
    """Return a callable that takes the number of pictures done since its last call.

    ``total``: how many there will be, None if nobody knows: then there is no bar. The callable moves the
    node's progress bar and raises ComfyUI's interrupt after Cancel was pressed (a BaseException: no
    ``except Exception`` holds it up).
    """
    bar = comfy.utils.ProgressBar(total) if total else None

    def report(done: int) -> None:
        # The bar looks for an interrupt too, but only when it sends, which it does not do every time.
        comfy.model_management.throw_exception_if_processing_interrupted()
        if bar is not None:
            bar.update(done)

    return report


def clip_progress(total: int | None) -> Callable[[Tensor], None]:
    """Return a callable that takes each finished frame [3,H,W] of a clip; the rest as in ``progress``.

    About once a second the page shows the frame on the node, and how much time is left.
    """
    bar = comfy.utils.ProgressBar(total) if total else None
    begun = shown = time.monotonic()
    done = 0

    def report(rgb: Tensor) -> None:
        nonlocal done, shown
        comfy.model_management.throw_exception_if_processing_interrupted()
        done += 1
        if bar is None or total is None:
            return
        now = time.monotonic()
        if now - shown < SHOW_SECONDS and done < total:
            bar.update(1)
            return
        shown = now
        bar.update_absolute(done, preview=("JPEG", _small_picture(rgb), PREVIEW_SIDE))
        # Of a clip that turns out longer than its file says, none is left.
        left = round((now - begun) / done * max(0, total - done))
        _show_text(f"{done} of {total} frames, {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left")

    return report


def _small_picture(rgb: Tensor) -> Image.Image:
    # Here, not above: it is loaded when there is something to show.
    from PIL import Image

    step = max(1, max(rgb.shape[1:]) // PREVIEW_SIDE)
    pixels = rgb[:, ::step, ::step].detach().float().clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(pixels.movedim(0, -1).contiguous().cpu().numpy())


def _show_text(text: str) -> None:
    """Show a line on the node that is running, where a page looks on."""
    import server
    from comfy_execution.utils import get_executing_context

    context, page = get_executing_context(), getattr(server.PromptServer, "instance", None)
    if context is not None and page is not None:
        page.send_progress_text(text, context.node_id)


def in_batches(
    count: int, work: Callable[[slice], None], batch: int, report: Callable[[int], None] | None = None
) -> int:
    """Call ``work`` for one slice of 0..count after the other, each ``batch`` long, then ``report``.

    When the device runs out of memory the slice is halved and tried again, down to one picture; a ``work``
    that fails must have left nothing behind. Returns the length that was used last.
    """
    start = 0
    while start < count:
        part = slice(start, min(start + batch, count))
        length = part.stop - part.start
        if _fits(work, part):
            start = part.stop
            if report is not None:
                report(length)
        else:
            batch = length // 2
            comfy.model_management.soft_empty_cache()
    return batch


def _fits(work: Callable[[slice], None], part: slice) -> bool:
    # Returns instead of handling: while an exception is handled, its frames hold the memory that ran out.
    try:
        work(part)
    except Exception as error:
        if part.stop - part.start > 1 and comfy.model_management.is_oom(error):
            return False
        raise
    return True


def named_folder(name: str) -> Path:
    """Return the folder that a user names: by its path, or as one inside of ComfyUI's input folder.

    Raises ValueError for no name, and for a relative path that leaves the input folder.
    """
    return _named(name, "folder")


def named_file(name: str) -> Path:
    """Return the file that a user names, as ``named_folder`` does."""
    return _named(name, "file")


def _named(name: str, kind: str) -> Path:
    # Windows' "copy as path" puts quotes around it.
    name = name.strip().strip('"')
    path = Path(name).expanduser()
    if not name:
        raise ValueError(
            f"{kind} is empty: write a {kind}'s path, or its name inside of ComfyUI's input folder"
        )
    if path.is_absolute():
        return path
    base = Path(folder_paths.get_input_directory()).resolve()
    if not (base / path).resolve().is_relative_to(base):
        raise ValueError(
            f"{name} leads out of ComfyUI's input folder: write the whole path of another {kind}"
        )
    return base / path


def output_file(prefix: str, extension: str) -> Path:
    """Return a new path in ComfyUI's output folder: ``prefix``, which may begin with folders, and a number.

    Raises ValueError for one that leaves the output folder.
    """
    base = Path(folder_paths.get_output_directory()).resolve()
    if not prefix.strip() or not (base / prefix).resolve().is_relative_to(base):
        raise ValueError(
            f"filename_prefix must be a name, perhaps with folders before it, in ComfyUI's output folder, "
            f"got {prefix!r}"
        )
    folder, name, count, _, _ = folder_paths.get_save_image_path(prefix, str(base))
    return Path(folder) / f"{name}_{count:05}_{extension}"


def temporary_file(extension: str) -> Path:
    """Return a new path in the folder that ComfyUI empties at its start and its end."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"chrominance_{secrets.token_hex(8)}{extension}"
