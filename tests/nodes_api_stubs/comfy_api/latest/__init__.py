"""The V3 node API: as much as the nodes touch."""

from abc import ABC, abstractmethod
from typing import ClassVar

from . import _io as io
from ._video import VideoFromComponents, VideoFromFile, VideoInput


class ComfyExtension(ABC):
    async def on_load(self):  # noqa: B027
        """Called once, before the node list is asked for."""

    @abstractmethod
    async def get_node_list(self):
        """The node classes."""


class ComfyAPI:
    """Calls into a running ComfyUI; ``node_replacement.registered`` is what tests look at."""

    class NodeReplacement:
        registered: ClassVar[list] = []

        async def register(self, node_replace):
            self.registered.append(node_replace)

    def __init__(self):
        self.node_replacement = self.NodeReplacement()


class Input:
    Video = VideoInput


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


__all__ = ["ComfyAPI", "ComfyExtension", "Input", "InputImpl", "io"]
