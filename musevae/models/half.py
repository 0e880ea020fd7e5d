"""Products with weights that are 16-bit numbers, packed as such: small batches wait for weights, here for half as many.

Weights count as 16-bit where rounding changes none of them, as in models that were stored so; sums stay in 32 bits.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

ENGINES = ("fbgemm", "x86")  # of torch.backends.quantized: those that pack 16-bit weights
LEAST_WEIGHTS = 1 << 20  # of a matrix for which it pays: smaller ones stay in the cache as they are

_packed: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # weight -> its state, and it packed


class Product:
    """The product with one weight matrix (out, in), (B, in) -> (B, out), without gradients."""

    def __init__(self, weight: Tensor) -> None:
        self.weight, self.transposed = weight, weight.T

    @cached_property
    def packed(self) -> Any:  # noqa: ANN401 - an object of torch's
        """See `packed`."""
        return packed(self.weight)

    def add(self, x: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write bias + x @ weight.T into `out` (B, out), which may be the bias."""
        if self.packed is None:
            torch.addmm(bias, x, self.transposed, out=out)
        else:
            torch.add(bias, torch.ops.quantized.linear_dynamic_fp16(x, self.packed), out=out)


def packed(weight: Tensor) -> Any:  # noqa: ANN401 - an object of torch's
    """A large 16-bit weight on a CPU that multiplies such, packed once while it stays what it is; else None."""
    if weight.device.type != "cpu" or torch.backends.quantized.engine not in ENGINES or weight.is_inference():
        return None
    state = weight.data_ptr(), weight._version  # what changes with the values, in place or by another tensor's
    known, found = _packed.get(weight, (None, None))
    if known != state:
        found = torch.ops.quantized.linear_prepack_fp16(weight.detach(), None) if is_half(weight) else None
        _packed[weight] = state, found
    return found


def is_half(weight: Tensor) -> bool:
    """Whether a weight matrix is a large one of 32-bit floats of which each is a 16-bit one."""
    if weight.numel() < LEAST_WEIGHTS or weight.dtype != torch.float32:
        return False
    return all(torch.equal(part, part.half().float()) for part in (weight[0], weight))  # the first row tells most
