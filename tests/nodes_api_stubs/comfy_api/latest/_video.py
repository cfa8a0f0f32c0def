"""The VIDEO socket's payload."""

import io
from abc import ABC, abstractmethod
from typing import Any


class VideoInput(ABC):
    @abstractmethod
    def get_stream_source(self) -> Any:
        """A path or a BytesIO that PyAV can open."""

    def get_active_trim_window(self):
        return 0.0, 0.0


class VideoFromFile(VideoInput):
    def __init__(self, file, *, start_time=0, duration=0):
        self._file = file
        self._window = (float(start_time), float(duration))

    def get_stream_source(self) -> Any:
        if isinstance(self._file, io.BytesIO):
            self._file.seek(0)
        return self._file

    def get_active_trim_window(self):
        return self._window


class VideoFromComponents(VideoInput):
    """Here only as a type: the nodes never make or open one themselves."""

    def __init__(self, components, bit_depth=8):
        self._components = components

    def get_stream_source(self) -> Any:
        raise NotImplementedError("the stand-in encodes no video")
