"""From a checkpoint to a colorizer: detect, build on the meta device, assign the file's tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .checkpoint import load_checkpoint
from .companions import with_companions
from .contract import Colorizer
from .errors import (
    CheckpointError,
    KeyMismatchError,
    NonFiniteError,
    UnfilledError,
    WrongShapeError,
    WrongTypeError,
)
from .formats import Checkpoint
from .locate import resolve_source
from .registry import detect_system
from .system import Shapes, State, System

N = TypeVar("N", bound=nn.Module)

#: The types that a network can be asked to compute in.
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

# Of a mapped file, this many bytes are looked at for NaN on loading, small tensors first; the rest waits
# for the first use, which reads them in any case.
_CHECK_AT_ONCE = 4 * 2**20


def load_colorizer(
    source: str | Path = "embedded",
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    systems: Sequence[System] | None = None,
) -> Colorizer:
    """Load a colorizer, ready to run: eval mode, no gradients.

    ``source``: "embedded" (the weights in the package), a checkpoint's path, or the name of a published
    checkpoint that lies in ``user_models_folder()``. ``dtype``: what the network computes in; where the
    file has it already, a memory-mapped file is used in place. ``systems``: by default REGISTRY.
    Raises CheckpointError (its subclass says what is wrong), ValueError for a device or type that cannot
    be used here.
    """
    target = usable_device(device)
    path = resolve_source(source)
    # A caller may be inside inference_mode, as ComfyUI's nodes are; these tensors outlive it.
    with torch.inference_mode(False), torch.no_grad():
        try:
            colorizer = assemble(load_checkpoint(path), dtype=dtype, systems=systems)
        except CheckpointError as error:
            error.at(path)
            raise
        return colorizer if target.type == "cpu" else colorizer.to(target)


def assemble(
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype = torch.float32,
    systems: Sequence[System] | None = None,
) -> Colorizer:
    """Make the colorizer that a checkpoint's tensors are the weights of, on the CPU.

    A system of several files finds the others beside ``checkpoint.path``.
    Raises CheckpointError: UnknownSystemError, MissingPartError and what ``build_network`` raises.
    """
    _check_dtype(dtype)
    system = detect_system(checkpoint.shapes, systems, path=checkpoint.path)
    checkpoint = with_companions(checkpoint, system)
    network, later = build_network(
        checkpoint,
        system.build,
        system.remap,
        title=system.spec.title,
        dtype=dtype,
        channels_last=system.channels_last,
    )
    colorizer = system.make(network, checkpoint.metadata)
    if later:
        colorizer.before_first_use = partial(_check_network, network, later, checkpoint.path)
    return colorizer


def build_network(
    checkpoint: Checkpoint,
    build: Callable[[Shapes], N],
    remap: Callable[[State], State],
    *,
    title: str,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
) -> tuple[N, tuple[str, ...]]:
    """Build a network on the meta device and give it a checkpoint's tensors: eval mode, no gradients.

    ``build``, ``remap``, ``channels_last``: see ``System``. Returns the network and the names of those
    tensors whose values were not looked at (``Checkpoint.check_later``).
    Raises CheckpointError: WrongShapeError, WrongTypeError, KeyMismatchError, NonFiniteError, UnfilledError;
    ValueError for a ``dtype`` that is not a floating type of DTYPES.
    """
    _check_dtype(dtype)
    try:
        with _OnMeta():
            network = build(checkpoint.shapes)
        state = remap(dict(checkpoint.tensors))
    except KeyError as error:
        raise KeyMismatchError(title, missing=[str(*error.args[:1])]) from error
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).split("\n")[0]
        raise CheckpointError(f"cannot be read as {title} ({reason}): fetch the file again") from error
    later = _fill(
        network, state, dtype, title, channels_last=channels_last, check_later=checkpoint.check_later
    )
    return network.eval(), later


def _check_dtype(dtype: torch.dtype) -> None:
    if dtype not in DTYPES:
        names = ", ".join(str(d).removeprefix("torch.") for d in DTYPES)
        raise ValueError(f"dtype must be one of {names}, got {dtype}")


def usable_device(device: torch.device | str) -> torch.device:
    """Return ``device`` if something can be put there; raises ValueError with the reason if not."""
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"device {device} cannot be used here ({reason}): try cpu") from error
    if target.type == "meta":
        raise ValueError("device meta holds no values: try cpu")
    return target


# What makes a tensor of nothing; random numbers become empty ones.
_RANDOM = frozenset({torch.rand, torch.randn})
_MAKERS = _RANDOM | {torch.empty, torch.zeros, torch.ones, torch.full, torch.tensor, torch.arange, torch.eye}
_MAKERS |= {torch.linspace, torch.empty_strided}


class _OnMeta(TorchFunctionMode):
    """Makes tensors on the meta device, and leaves out the initialisation, work for nothing there.

    Random numbers are worse than that there: PyTorch imports its symbolic algebra for them, for seconds.
    One mode for both, as every call goes through each: ``with torch.device("meta")`` would be a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _MAKERS:
            kwargs = dict(kwargs or {})
            kwargs["device"] = kwargs.get("device") or "meta"
            if func in _RANDOM:
                func, kwargs = torch.empty, {k: v for k, v in kwargs.items() if k != "generator"}
            return func(*args, **kwargs)
        if getattr(func, "__module__", None) == "torch.nn.init" or func in (Tensor.normal_, Tensor.uniform_):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **kwargs) if kwargs else func(*args)


def _fill(
    network: nn.Module,
    state: State,
    dtype: torch.dtype,
    title: str,
    *,
    channels_last: bool,
    check_later: bool,
) -> tuple[str, ...]:
    """Give the meta-built ``network`` the tensors of ``state``, converted to ``dtype`` where they differ.

    Returns the names of those whose values were not looked at.
    """
    wanted = network.state_dict()
    buffers = dict(network.named_buffers(remove_duplicate=False))
    # Batch norms saved before PyTorch 0.4.1 have no such counter, and in eval mode nothing reads it.
    for key in wanted:
        if key.endswith("num_batches_tracked") and key not in state:
            state[key] = torch.zeros((), dtype=torch.int64)
    constants = {name: buffer for name, buffer in buffers.items() if name not in wanted and name in state}
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted and key not in constants]
    if missing or unexpected:
        raise KeyMismatchError(title, missing, unexpected)
    places = {**wanted, **constants}
    ready = {
        key: _fitted(key, state[key], place, dtype, title, channels_last) for key, place in places.items()
    }
    # What was converted has been read anyway, and small tensors cost little to read.
    later, budget = [], _CHECK_AT_ONCE
    for key, tensor in sorted(ready.items(), key=lambda item: item[1].nbytes):
        budget -= tensor.nbytes
        if check_later and tensor is state[key] and budget < 0:
            later.append(key)
    for key in _non_finite({key: ready[key] for key in ready.keys() - set(later)}):
        if bool(torch.isfinite(state[key].float()).all()):
            raise NonFiniteError(
                f"tensor {key} has values beyond the range of {dtype}: load it as float32 or bfloat16"
            )
        raise _damaged(key)
    # What load_state_dict(assign=True) would do, at a tenth of its time: names and shapes are checked.
    modules = dict(network.named_modules(remove_duplicate=False))
    for name, tensor in ready.items():
        owner, _, leaf = name.rpartition(".")
        value = tensor if name in buffers else nn.Parameter(tensor, requires_grad=False)
        setattr(modules[owner], leaf, value)
    for name, buffer in buffers.items():
        if buffer.is_meta and name not in places:
            raise UnfilledError(
                f"read as {title}, {name} got no value: the system's remap has to supply what the file lacks"
            )
    return tuple(later)


def _fitted(
    key: str, tensor: Tensor, place: Tensor, dtype: torch.dtype, title: str, channels_last: bool
) -> Tensor:
    """Return ``tensor`` as the network wants it; the same one where nothing has to change."""
    if tensor.shape != place.shape:
        raise WrongShapeError(key, tuple(place.shape), tuple(tensor.shape), system=title)
    if tensor.is_floating_point() != place.is_floating_point() or tensor.is_complex():
        raise WrongTypeError(
            f"tensor {key} should be {'floating' if place.is_floating_point() else place.dtype}, "
            f"got {tensor.dtype} (read as {title}): get the plain weights"
        )
    target = dtype if place.is_floating_point() else place.dtype
    # What is narrowed is copied anyway, and convolutions in 16 bits are the faster for it.
    if tensor.ndim == 4 and (channels_last or (target.itemsize == 2 and target != tensor.dtype)):
        return tensor.to(target, memory_format=torch.channels_last)
    return tensor.to(target)


def _check_network(network: nn.Module, names: tuple[str, ...], path: Path | None) -> None:
    """Raise NonFiniteError if one of the named weights holds NaN or infinity."""
    weights = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for key in _non_finite({name: weights[name] for name in names if name in weights}):
        raise _damaged(key, path)


def _non_finite(tensors: State) -> list[str]:
    # A sum runs at the speed of memory and shows NaN and infinity; only a suspect is looked at closely.
    suspects: list[str] = []
    elsewhere: State = {}
    with np.errstate(all="ignore"):
        for key, tensor in tensors.items():
            if tensor.device.type == "cpu" and tensor.dtype == torch.float32:
                # In one thread: memory is the limit, and torch's threads wait for each other.
                if not math.isfinite(tensor.detach().numpy().sum()):
                    suspects.append(key)
            elif tensor.is_floating_point():
                elsewhere[key] = tensor
    if elsewhere:
        sums = torch.stack([tensor.sum(dtype=torch.float32) for tensor in elsewhere.values()])
        clean = torch.isfinite(sums).tolist()  # one wait for the device
        suspects += [key for key, ok in zip(elsewhere, clean, strict=True) if not ok]
    return [key for key in suspects if not bool(torch.isfinite(tensors[key]).all())]


def _damaged(key: str, path: Path | None = None) -> NonFiniteError:
    return NonFiniteError(f"tensor {key} holds NaN or infinity: the file is damaged, fetch it again", path)
