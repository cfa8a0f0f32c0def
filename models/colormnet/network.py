"""ColorMNet: colours carried through a clip by a memory of frames. Papers and licences: as ``encoders``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from .decoder import Decoder, ShortTerm
from .encoders import HIDDEN, Key, KeyEncoder, ValueEncoder
from .memory import Memory, MemorySettings


@dataclass
class ClipState:
    """What is known of a clip so far; goes from frame to frame."""

    memory: Memory
    hidden: Tensor
    last_key: Tensor
    last_value: Tensor
    #: Frames since the one that was memorised last.
    since: int = 0

    def copy(self) -> ClipState:
        """Return one that goes on by itself."""
        return replace(self, memory=replace(self.memory))


class ColorMNet(nn.Module):
    """The network; frames go one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.eyes = KeyEncoder()
        self.value = ValueEncoder()
        self.short_term = ShortTerm()
        self.decoder = Decoder()

    def see(self, x: Tensor) -> Key:
        """Lightness (L-50)/50 [1,1,H,W], sides multiples of 112 → what a frame is found by."""
        return self.eyes(x.expand(-1, 3, -1, -1))

    def begin(
        self,
        x: Tensor,
        ab: Tensor,
        settings: MemorySettings,
        seen: Key | None = None,
        *,
        apart: bool = False,
    ) -> ClipState:
        """Begin with a clip's first frame [1,1,H,W] whose ab/110 [2,H,W] is known.

        ``apart``: it is an exemplar, and the first frame is yet to come.
        """
        seen = self.see(x) if seen is None else seen
        nothing = seen.key.new_zeros(2, HIDDEN, *seen.key.shape[2:])
        value, hidden = self.value(x.expand(-1, 3, -1, -1), seen.f16, nothing, ab)
        memory = Memory(settings)
        memory.add(seen, value)
        return ClipState(memory, hidden, seen.key, value, since=-1 if apart else 0)

    def step(self, x: Tensor, state: ClipState, seen: Key | None = None) -> Tensor:
        """Colour the next frame [1,1,H,W]: ab/110 [2,H,W]; ``state`` goes on."""
        seen = self.see(x) if seen is None else seen
        read = state.memory.read(seen) + self.short_term(seen.key, state.last_key, state.last_value)
        ab, hidden = self.decoder(seen, read, state.hidden)
        state.since += 1
        if state.since < state.memory.settings.every:
            state.hidden = hidden
            return ab
        self.memorise(x, ab, seen, state)
        return ab

    def memorise(self, x: Tensor, ab: Tensor, seen: Key, state: ClipState) -> None:
        """Keep a frame [1,1,H,W] with its ab/110 [2,H,W]; what was remembered is what it was before it."""
        value, state.hidden = self.value(x.expand(-1, 3, -1, -1), seen.f16, state.hidden, ab)
        state.memory.add(seen, value)
        state.last_key, state.last_value, state.since = seen.key, value, 0
