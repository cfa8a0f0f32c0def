"""A convolution for networks that only colour: on a processor it goes the way that is fastest there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cpu_convolution import has_bfloat16, multiply_rows, winograd_conv3, winograd_kernels

# Winograd's way pays from this many channels on, and from this many values of the narrower side: 1024 pixels
# of 512 channels.
_LEAST_CHANNELS, _LEAST_VALUES = 128, 2**19


class Conv(nn.Conv2d):
    """A convolution that keeps the size or halves it, and, if ``rectify``, cuts off what is negative.

    A processor without arithmetic for 16 bits computes in float32, whatever the weights are kept in: to
    imitate that arithmetic takes ten times as long. Kernels 3x3 between many channels are kept in the form
    that Winograd's way takes, four times as large, from the first use on, unless the weights are in 16 bits.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        rectify: bool = False,
    ) -> None:
        super().__init__(c_in, c_out, kernel, stride, kernel // 2 * dilation, dilation)
        self.rectify = rectify
        self._narrow = min(c_in, c_out)
        self._winograd = kernel == 3 and stride == 1 and self._narrow >= _LEAST_CHANNELS
        self._kernels: tuple[int, Tensor] | None = None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Conv:
        self._kernels = None  # of weights that move
        return super()._apply(fn, recurse)

    def forward(self, input: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',H,W], or half the size rounded up."""
        assert self.bias is not None
        x, weight, bias, kind = input, self.weight, self.bias, input.dtype
        narrow = kind == torch.float16 or (kind == torch.bfloat16 and not has_bfloat16())
        single = x.device.type == "cpu" and (kind == torch.float32 or narrow)
        if single and self._winograd and self._narrow * x[:, 0].numel() >= _LEAST_VALUES:
            return self._by_winograd(x, bias)
        if single:
            x, weight, bias = x.float(), weight.float(), bias.float()
        if weight.shape[2:] == (1, 1):
            step = self.stride[0]
            x = x[:, :, ::step, ::step].permute(0, 2, 3, 1)
            product = multiply_rows if single else F.linear
            y = product(x.reshape(-1, x.shape[3]), weight.flatten(1), bias).view(*x.shape[:3], -1)
            y = y.permute(0, 3, 1, 2)
        else:
            y = F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)
        return (y.relu_() if self.rectify else y).to(kind)

    def _by_winograd(self, x: Tensor, bias: Tensor) -> Tensor:
        step = self.dilation[0]
        if step == 1:
            return winograd_conv3(x, self._transformed(), bias, rectify=self.rectify)
        # Each of every so many rows and columns is a picture of its own, with a plain kernel.
        batch, channels, height, width = x.shape
        x = F.pad(x, (0, -width % step, 0, -height % step))
        rows, columns = x.shape[2] // step, x.shape[3] // step
        parts = x.view(batch, channels, rows, step, columns, step).permute(3, 5, 0, 1, 2, 4)
        parts = parts.reshape(step * step * batch, channels, rows, columns)
        y = winograd_conv3(parts, self._transformed(), bias, rectify=self.rectify)
        y = y.permute(0, 2, 3, 1).reshape(step, step, batch, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
        y = y.reshape(batch, rows * step, columns * step, -1).permute(0, 3, 1, 2)
        return y[:, :, :height, :width]

    def _transformed(self) -> Tensor:
        """Return the kernels for Winograd's way."""
        place = self.weight.data_ptr()
        if self._kernels is not None and self._kernels[0] == place:
            return self._kernels[1]
        with torch.inference_mode(False), torch.no_grad():
            kernels = winograd_kernels(self.weight)
        if self.weight.dtype == torch.float32:  # else memory was what mattered
            self._kernels = place, kernels
        return kernels
