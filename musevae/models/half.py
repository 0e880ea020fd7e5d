"""Products with weights that are 16-bit numbers, packed as such: small batches wait for weights, here for half as many.

Weights count as 16-bit where rounding changes none of them, as in models that were stored so; sums stay in 32 bits.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

ENGINES = ("fbgemm", "x86")  # of torch.backends.quantized: those that pack 16-bit weights
LEAST_WEIGHTS = 1 << 20  # of a matrix for which it pays: smaller ones stay in the cache as they are

_packed: MutableMapping[Tensor, Any] = WeakTensorKeyDictionary()  # weight -> its fingerprint, and it packed


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
    if weight.device.type != "cpu" or torch.backends.quantized.engine not in ENGINES or not may_be_half(weight):
        return None
    now = fingerprint(weight)
    known, found = _packed.get(weight, (None, None))
    if known is None or not torch.equal(known, now):
        half = torch.equal(weight, weight.half().float())
        found = torch.ops.quantized.linear_prepack_fp16(weight.detach(), None) if half else None
        _packed[weight] = now, found
    return found


def may_be_half(weight: Tensor) -> bool:
    """Whether a weight matrix is a large one of 32-bit floats whose first row, at least, is of 16-bit ones."""
    if weight.numel() < LEAST_WEIGHTS or weight.dtype != torch.float32 or weight.shape[1] % 2:
        return False
    return torch.equal(weight[0], weight[0].half().float())


def fingerprint(weight: Tensor) -> Tensor:
    """Sums of the bits of each two columns: they change with the values, which version counters do not always."""
    return weight.detach().view(torch.int64).sum(0)
