"""The recurrence of an LSTM layer over a whole sequence on the CPU, with a backward pass of its own.

`nn.LSTM` multiplies one-hot vectors, repeats the product with a constant input at every step and adds up the recurrent
weight's gradient step by step. Here a one-hot vector's product is a row of a table, read when its step comes, a
constant's is taken once, and each weight's gradient is one matrix product. What belongs to a gate lies together: the
axis of the four gates comes first, so that element-wise work runs through memory in one go.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward


def gates_first(weight: Tensor) -> Tensor:
    """Gate rows (4H, ...) of `nn.LSTM`, i f g o, as (4, H, ...), i f o g: the three sigmoids side by side."""
    i, f, g, o = weight.chunk(4)
    return torch.stack([i, f, o, g])


def looked_up(x: Tensor, table: Tensor) -> Tensor:
    """Rows (..., B, H) of a table (..., V, H) for classes x (B,); sums of rows for x (B, K), products for x (B, V)."""
    if x.is_floating_point():
        return x @ table
    if x.dim() == 1:
        return table.index_select(-2, x)
    first, *others = (table.index_select(-2, classes) for classes in x.unbind(1))
    return sum(others, first)


def looked_up_backward(x: Tensor, table: Tensor, d_rows: Tensor) -> Tensor:
    """The gradient of the table (4, V, H) of `looked_up`, for x as there and gradients d_rows (4, B, H)."""
    if x.is_floating_point():
        return x.T @ d_rows
    gradient = torch.zeros_like(table)
    for classes in x.reshape(len(x), -1).unbind(1):
        for of_gate, rows in zip(gradient, d_rows, strict=True):  # along its first axis, index_add_ is quick
            of_gate.index_add_(0, classes, rows)
    return gradient


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """Put the hyperbolic tangent of x into `out`: 2 sigmoid(2x) - 1, which a CPU has sooner."""
    return torch.mul(x, 2, out=out).sigmoid_().mul_(2).sub_(1)


class Recurrence(torch.autograd.Function):
    """`recur`, forward and backward; under autocast, too, in float32."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
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
        gates, transposed = h.new_empty(4, T, B, H), weight.transpose(1, 2).contiguous()
        hs, cs, tanh_cs = h.new_empty(T + 1, B, H), h.new_empty(T + 1, B, H), h.new_empty(T, B, H)
        hs[T if reverse else 0], cs[T if reverse else 0] = h, c
        if x.is_floating_point():
            torch.bmm(x.flatten(0, 1).expand(4, -1, -1), table, out=gates.flatten(1, 2))
        for t in reversed(range(T)) if reverse else range(T):
            before, after = (t + 1, t) if reverse else (t, t + 1)
            inputs = gates[:, t] if x.is_floating_point() else looked_up(x[t], table)
            torch.add(inputs, constant, out=gates[:, t]).baddbmm_(hs[before].expand(4, B, H), transposed)
            i, f, o, g = gates[:, t]
            gates[:3, t].sigmoid_()
            tanh(g, out=g)
            torch.mul(f, cs[before], out=cs[after]).addcmul_(i, g)
            torch.mul(o, tanh(cs[after], out=tanh_cs[t]), out=hs[after])
        ctx.reverse, ctx.constant_shape = reverse, constant.shape
        ctx.save_for_backward(x, table, weight, gates, hs, cs, tanh_cs)
        return hs[:-1] if reverse else hs[1:]

    @staticmethod
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    @once_differentiable
    def backward(ctx: Any, d_hs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of all but `reverse`: back through the steps, then each weight's in one product."""
        x, table, weight, gates, hs, cs, tanh_cs = ctx.saved_tensors
        T, B, H = tanh_cs.shape
        d_gates = torch.empty_like(gates)
        dh, dc = d_hs.new_zeros(B, H), d_hs.new_zeros(B, H)
        for t in range(T) if ctx.reverse else reversed(range(T)):
            (i, f, o, g), (di, df, do, dg) = gates[:, t], d_gates[:, t]
            dh += d_hs[t]
            dc += tanh_backward(dh * o, tanh_cs[t])
            torch.mul(dh, tanh_cs[t], out=do)
            torch.mul(dc, g, out=di)
            torch.mul(dc, cs[t + ctx.reverse], out=df)
            torch.mul(dc, i, out=dg)
            sigmoid_backward.grad_input(d_gates[:3, t], gates[:3, t], grad_input=d_gates[:3, t])
            tanh_backward.grad_input(dg, g, grad_input=dg)
            dc *= f
            torch.addbmm(dh, d_gates[:, t], weight, beta=0, out=dh)
        rows, before = d_gates.flatten(1, 2), hs[1:] if ctx.reverse else hs[:-1]
        d_x = torch.addbmm(x.flatten(0, 1), rows, table.transpose(1, 2), beta=0) if ctx.needs_input_grad[0] else None
        d_table = looked_up_backward(x.flatten(0, 1), table, rows)
        d_constant = d_gates.sum(1).sum_to_size(ctx.constant_shape)
        d_weight = torch.bmm(rows.transpose(1, 2), before.flatten(0, 1).expand(4, -1, -1))
        return None if d_x is None else d_x.view_as(x), d_table, d_constant, d_weight, dh, dc, None


def recur(
    x: Tensor, table: Tensor, constant: Tensor, weight: Tensor, h: Tensor, c: Tensor, *, reverse: bool = False
) -> Tensor:
    """Hidden states h_1 ... h_T (T, B, H) of an LSTM layer that starts from h and c, (B, H) each.

    What the input adds to the gates of step t is `looked_up(x[t], table)`, for x (T, B), (T, B, K) or (T, B, D), and
    `constant` (4, 1, H) or (4, B, H); the gates' order is i f o g, in the table and in `weight` (4, H, H) too. In
    `reverse`, the layer runs from the last step to the first.
    """
    hidden: Tensor = Recurrence.apply(x, table, constant, weight, h, c, reverse)  # type: ignore[no-untyped-call]
    return hidden
