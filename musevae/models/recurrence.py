"""The recurrence of an LSTM layer over a whole sequence on the CPU, with a backward pass of its own.

`nn.LSTM` multiplies one-hot vectors, repeats the product with a constant input at every step and adds up the recurrent
weight's gradient step by step. Here the input's share of the gates is given, and that gradient is one matrix product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sigmoids_first(weight: Tensor) -> Tensor:
    """Gate rows (4H, ...) of `nn.LSTM`, i f g o, as i f o g: the three sigmoids side by side."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


class Recurrence(torch.autograd.Function):
    """`recur`, forward and backward."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> Tensor:  # noqa: ANN401
        """Run through the steps, keeping the activated gates and the states for `backward`."""
        T, B, H = len(inputs), *h.shape
        gates, transposed = torch.empty_like(inputs), weight.T.contiguous()
        hs, cs = inputs.new_empty(T + 1, B, H), inputs.new_empty(T + 1, B, H)
        tanh_cs = inputs.new_empty(T, B, H)
        hs[0], cs[0] = h, c
        for t in range(T):
            torch.addmm(inputs[t], hs[t], transposed, out=gates[t])
            i, f, o, g = gates[t].chunk(4, dim=1)
            g.mul_(2)  # tanh(x) is 2 sigmoid(2x) - 1, which a CPU has sooner
            gates[t].sigmoid_()
            g.mul_(2).sub_(1)
            torch.mul(f, cs[t], out=cs[t + 1]).addcmul_(i, g)
            torch.mul(cs[t + 1], 2, out=tanh_cs[t]).sigmoid_().mul_(2).sub_(1)
            torch.mul(o, tanh_cs[t], out=hs[t + 1])
        ctx.save_for_backward(weight, gates, hs, cs, tanh_cs)
        return hs[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: ANN401
        """Gradients of inputs, weight, h and c: back through time, then all steps' weight gradients at once."""
        weight, gates, hs, cs, tanh_cs = ctx.saved_tensors
        T, B, H = tanh_cs.shape
        d_gates = torch.empty_like(gates)
        dh, dc = d_hs.new_zeros(B, H), d_hs.new_zeros(B, H)
        for t in reversed(range(T)):
            (i, f, o, g), (di, df, do, dg) = gates[t].chunk(4, dim=1), d_gates[t].chunk(4, dim=1)
            dh += d_hs[t]
            dc.addcmul_(dh * o, 1 - tanh_cs[t].square())
            torch.mul(dh, tanh_cs[t], out=do)
            torch.mul(dc, g, out=di)
            torch.mul(dc, cs[t], out=df)
            torch.mul(dc, i, out=dg)
            sigmoids = gates[t, :, : 3 * H]
            d_gates[t, :, : 3 * H].mul_(sigmoids).mul_(1 - sigmoids)
            dg.mul_(1 - g.square())
            dc.mul_(f)
            torch.mm(d_gates[t], weight, out=dh)
        return d_gates, d_gates.flatten(0, 1).T @ hs[:-1].flatten(0, 1), dh, dc


def recur(inputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> Tensor:
    """Hidden states h_1 ... h_T (T, B, H) of an LSTM layer that starts from h and c, (B, H) each.

    `inputs` (T, B, 4H) is what input and biases add to the gates, in the order i f o g, as are the rows of `weight`
    (4H, H).
    """
    hidden: Tensor = Recurrence.apply(inputs, weight, h, c)  # type: ignore[no-untyped-call]
    return hidden
