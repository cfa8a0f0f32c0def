"""The V3 node API: as much as the nodes touch."""

from abc import ABC, abstractmethod

from . import _io as io
from ._video import VideoFromComponents, VideoFromFile, VideoInput


class ComfyExtension(ABC):
    async def on_load(self):  # noqa: B027
        """Called once, before the node list is asked for."""

    @abstractmethod
    async def get_node_list(self):
        """The node classes."""


class Input:
    Video = VideoInput


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


__all__ = ["ComfyExtension", "Input", "InputImpl", "io"]
