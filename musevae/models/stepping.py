"""Free running: a decoder's LSTM stack taken one step at a time, in place and without gradients."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from musevae.models.half import Product
from musevae.models.lstm import LstmStack
from musevae.models.recurrence import looked_up

FEATURES_FIRST = range(32, 256)  # examples for which it pays to store what is (batch, size) the other way round


def features_first(like: Tensor, batch: int, size: int) -> Tensor:
    """An empty (batch, size), stored as (size, batch) unless the batch is small or large.

    A matrix product into it is then weight @ state, for which BLAS has up to twice the rate with 64 states. With 512 it
    has the same, and what is looked up in rows would only have to be turned round.
    """
    return like.new_empty(size, batch).T if batch in FEATURES_FIRST else like.new_empty(batch, size)


class Cell:
    """One LSTM layer for B examples; each step overwrites its state h and c, (B, H) each.

    Every tanh(x) is 1 - 2 sigmoid(-2x): on a CPU, PyTorch's sigmoid takes a quarter of the time of its tanh, one call
    serves all four gates, and a gate times it is one addcmul.
    """

    def __init__(self, layer: nn.LSTM, batch: int) -> None:
        w_ih, w_hh, b_ih, b_hh = layer.all_weights[0]
        self.input, self.hidden, self.bias = Product(w_ih), Product(w_hh), b_ih + b_hh
        empty = partial(features_first, w_ih) if self.hidden.packed is None else w_ih.new_empty
        self.h, self.c = (empty(batch, layer.hidden_size) for _ in "hc")
        self.gates = empty(batch, 4 * layer.hidden_size)
        self.input_gate, self.forget_gate, self.candidate, self.output_gate = self.gates.chunk(4, dim=1)

    def step(self, bias: Tensor, x: Tensor | None = None) -> None:
        """Advance one step with gates bias + x @ w_ih + h @ w_hh, for bias (4H,) or (B, 4H), x (B, D) or none."""
        self.hidden.add(self.h, bias, out=self.gates)
        if x is not None:
            self.input.add(x, self.gates, out=self.gates)
        self.candidate.mul_(-2)
        self.gates.sigmoid_()
        torch.addcmul(self.input_gate, self.input_gate, self.candidate, value=-2, out=self.candidate)
        torch.addcmul(self.candidate, self.forget_gate, self.c, out=self.c)
        torch.mul(self.c, -2, out=self.candidate).sigmoid_()
        torch.addcmul(self.output_gate, self.output_gate, self.candidate, value=-2, out=self.h)


class Stepper:
    """A stack and its output layer for z (B, S, Z): `start` each of the S segments, then `step` by step.

    What follows from z alone is computed for all segments at once; the first layer's product with a class of the
    previous event is a row of a table, of which there are `events`.
    """

    def __init__(self, stack: LstmStack, projection: nn.Linear, events: int, z: Tensor) -> None:
        self.projection = projection
        batch = len(z)
        self.cells = [Cell(layer, batch) for layer in stack.layers]
        z_size = stack.initial_state.in_features
        table, w_z, self.w_control = stack.layers[0].all_weights[0][0].T.tensor_split((events, events + z_size))
        self.table = torch.cat([table, torch.zeros_like(table[:1])])  # (V + 1, 4H); the last row: no event yet
        flat = z.transpose(0, 1).flatten(0, 1)  # (S * B, Z)
        self.constants = torch.split(torch.addmm(self.cells[0].bias, flat, w_z), batch)
        self.constant = torch.empty_like(self.constants[0])  # the present segment's
        self.states = [(torch.split(h, batch), torch.split(c, batch)) for h, c in stack.state(flat)]

    def start(self, segment: int) -> None:
        """Set the initial state and the constant input of a segment."""
        for cell, (h, c) in zip(self.cells, self.states, strict=True):
            cell.h.copy_(h[segment])
            cell.c.copy_(c[segment])
        self.constant.copy_(self.constants[segment])

    def step(self, previous: Tensor, control: Tensor | None = None) -> Tensor:
        """Logits (B, V) of the next event, given the one before, coded as for `run_layer`, and control (B, C)."""
        table = self.table[:-1] if previous.is_floating_point() else self.table
        bias = looked_up(previous, table).add_(self.constant)
        if control is not None:
            bias.addmm_(control, self.w_control)
        first, *rest = self.cells
        first.step(bias)
        h = first.h
        for cell in rest:
            cell.step(cell.bias, h)
            h = cell.h
        return torch.addmm(self.projection.bias, h, self.projection.weight.T)
