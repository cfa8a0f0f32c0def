from __future__ import annotations

import pytest
import torch

from chrominance.models.deoldify.files import patterns
from chrominance.models.deoldify.network import Architecture, Step

#: Both forms of the network, small: what they are made of is the same, and how it is put together.
DEEP = Architecture(
    blocks=(1, 2, 1, 1),
    stages=(64, 16, 24, 40),
    bottleneck=False,
    steps=(Step(40, 20, 24, 32), Step(32, 16, 16, 48), Step(48, 24, 64, 20), Step(20, 10, 64, 18)),
    convs=2,
)
WIDE = Architecture(
    blocks=(1, 2, 1, 1),
    stages=(32, 16, 24, 40),
    bottleneck=True,
    steps=(Step(40, 12, 24, 20), Step(20, 20, 16, 24), Step(24, 24, 32, 16), Step(16, 8, 64, 12)),
    convs=1,
)


def file_of(kind: Architecture, random_weights, seed: int = 0):
    """Every tensor of a file of that architecture, spectral norms as training leaves them."""
    state = random_weights(dict(patterns(kind)), seed)
    for key in [key for key in state if key.endswith("weight_orig")]:
        matrix = state[key].flatten(1)
        v = torch.ones(matrix.shape[1])
        for _ in range(3):
            u = torch.nn.functional.normalize(matrix @ v, dim=0)
            v = torch.nn.functional.normalize(matrix.T @ u, dim=0)
        state[key.replace("_orig", "_u")], state[key.replace("_orig", "_v")] = u, v
    norms = [key.removesuffix(".running_var") for key in state if key.endswith(".running_var")]
    return state | {f"{norm}.num_batches_tracked": torch.tensor(7) for norm in norms}


@pytest.fixture(scope="session", params=[DEEP, WIDE], ids=["deep", "wide"])
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def state(kind, random_weights):
    return file_of(kind, random_weights)
