"""The recurrence of an LSTM layer over a whole sequence on the CPU, with a backward pass of its own.

`nn.LSTM` multiplies one-hot vectors, repeats the product with a constant input at every step and adds up the recurrent
weight's gradient step by step. Here a one-hot vector's product is a row of a table, read when its step comes, a
constant's is taken once, and each weight's gradient is one matrix product.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def sigmoids_first(weight: Tensor) -> Tensor:
    """Gate rows (4H, ...) of `nn.LSTM`, i f g o, as i f o g: the three sigmoids side by side."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


def looked_up(x: Tensor, table: Tensor) -> Tensor:
    """Rows (B, 4H) of a table for classes x (B,); sums of rows for x (B, K), products for vectors x (B, D)."""
    if x.is_floating_point():
        return x @ table
    return table.index_select(0, x) if x.dim() == 1 else F.embedding_bag(x, table, mode="sum")


def looked_up_backward(x: Tensor, table: Tensor, d_rows: Tensor) -> Tensor:
    """The gradient of the table of `looked_up`."""
    if x.is_floating_point():
        return x.T @ d_rows
    gradient = torch.zeros_like(table)
    for classes in x.reshape(len(x), -1).unbind(1):
        gradient.index_add_(0, classes, d_rows)
    return gradient


class Recurrence(torch.autograd.Function):
    """`recur`, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        table: Tensor,
        constant: Tensor,
        weight: Tensor,
        h: Tensor,
        c: Tensor,
        reverse: bool,
    ) -> Tensor:
        """Run through the steps, keeping the activated gates and the states for `backward`."""
        T, B, H = len(x), *h.shape
        gates, transposed = h.new_empty(T, B, 4 * H), weight.T.contiguous()
        hs, cs, tanh_cs = h.new_empty(T + 1, B, H), h.new_empty(T + 1, B, H), h.new_empty(T, B, H)
        hs[T if reverse else 0], cs[T if reverse else 0] = h, c
        if x.is_floating_point():
            torch.mm(x.flatten(0, 1), table, out=gates.flatten(0, 1))
        for t in reversed(range(T)) if reverse else range(T):
            before, after = (t + 1, t) if reverse else (t, t + 1)
            torch.add(gates[t] if x.is_floating_point() else looked_up(x[t], table), constant, out=gates[t])
            gates[t].addmm_(hs[before], transposed)
            i, f, o, g = gates[t].chunk(4, dim=1)
            g.mul_(2)  # tanh(x) is 2 sigmoid(2x) - 1, which a CPU has sooner
            gates[t].sigmoid_()
            g.mul_(2).sub_(1)
            torch.mul(f, cs[before], out=cs[after]).addcmul_(i, g)
            torch.mul(cs[after], 2, out=tanh_cs[t]).sigmoid_().mul_(2).sub_(1)
            torch.mul(o, tanh_cs[t], out=hs[after])
        ctx.reverse, ctx.constant_shape = reverse, constant.shape
        ctx.save_for_backward(x, table, weight, gates, hs, cs, tanh_cs)
        return hs[:-1] if reverse else hs[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of all but `reverse`: back through the steps, then each weight's in one product."""
        x, table, weight, gates, hs, cs, tanh_cs = ctx.saved_tensors
        T, B, H = tanh_cs.shape
        d_gates = torch.empty_like(gates)
        dh, dc = d_hs.new_zeros(B, H), d_hs.new_zeros(B, H)
        for t in range(T) if ctx.reverse else reversed(range(T)):
            (i, f, o, g), (di, df, do, dg) = gates[t].chunk(4, dim=1), d_gates[t].chunk(4, dim=1)
            dh += d_hs[t]
            dc.addcmul_(dh * o, 1 - tanh_cs[t].square())
            torch.mul(dh, tanh_cs[t], out=do)
            torch.mul(dc, g, out=di)
            torch.mul(dc, cs[t + ctx.reverse], out=df)
            torch.mul(dc, i, out=dg)
            sigmoids = gates[t, :, : 3 * H]
            d_gates[t, :, : 3 * H].mul_(sigmoids).mul_(1 - sigmoids)
            dg.mul_(1 - g.square())
            dc.mul_(f)
            torch.mm(d_gates[t], weight, out=dh)
        rows, before = d_gates.flatten(0, 1), hs[1:] if ctx.reverse else hs[:-1]
        d_x = d_gates @ table.T if ctx.needs_input_grad[0] else None
        d_table = looked_up_backward(x.flatten(0, 1), table, rows)
        d_constant = d_gates.sum(0).sum_to_size(ctx.constant_shape)
        return d_x, d_table, d_constant, rows.T @ before.flatten(0, 1), dh, dc, None


def recur(
    x: Tensor, table: Tensor, constant: Tensor, weight: Tensor, h: Tensor, c: Tensor, *, reverse: bool = False
) -> Tensor:
    """Hidden states h_1 ... h_T (T, B, H) of an LSTM layer that starts from h and c, (B, H) each.

    What the input adds to the gates of step t is `looked_up(x[t], table)`, for x (T, B), (T, B, K) or (T, B, D), and
    `constant` (4H,) or (B, 4H); the gates' order is i f o g, as is that of the rows of `weight` (4H, H). In `reverse`,
    the layer runs from the last step to the first.
    """
    hidden: Tensor = Recurrence.apply(x, table, constant, weight, h, c, reverse)  # type: ignore[no-untyped-call]
    return hidden
