"""Devices, model placement and interrupts, as a CPU-only ComfyUI answers them.

The module's variables are switches for tests: set them with pytest's monkeypatch.
"""

import torch

TORCH_DEVICE = torch.device("cpu")
INTERMEDIATE_DEVICE = torch.device("cpu")
INTERMEDIATE_DTYPE = torch.float32
FP16 = False
BF16 = False

interrupted = False
current_loaded_models = []
cache_emptied = 0


class OutOfMemoryError(RuntimeError):
    """What a test raises to play a device that has run out of memory."""


OOM_EXCEPTION = OutOfMemoryError


class InterruptProcessingException(BaseException):
    """Cancel was pressed. A BaseException, so that ``except Exception`` lets it pass."""


def get_torch_device():
    return TORCH_DEVICE


def unet_offload_device():
    return torch.device("cpu")


def intermediate_device():
    return INTERMEDIATE_DEVICE


def intermediate_dtype():
    return INTERMEDIATE_DTYPE


def should_use_fp16(device=None, model_params=0, prioritize_performance=True, manual_cast=False):
    return FP16


def should_use_bf16(device=None, model_params=0, prioritize_performance=True, manual_cast=False):
    return BF16


def is_oom(e):
    return isinstance(e, OOM_EXCEPTION)


def soft_empty_cache(force=False):
    global cache_emptied
    cache_emptied += 1


def load_models_gpu(
    models, memory_required=0, force_patch_weights=False, minimum_memory_required=None, force_full_load=False
):
    for patcher in models:
        patcher.model.to(patcher.load_device)
        if patcher not in current_loaded_models:
            current_loaded_models.append(patcher)


def unload_all_models():
    while current_loaded_models:
        patcher = current_loaded_models.pop()
        patcher.model.to(patcher.offload_device)


def interrupt_current_processing(value=True):
    global interrupted
    interrupted = value


def throw_exception_if_processing_interrupted():
    global interrupted
    if interrupted:
        interrupted = False
        raise InterruptProcessingException
