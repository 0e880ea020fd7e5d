"""Free running: a decoder's LSTM stack taken one step at a time, in place and without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musevae.models.lstm import LstmStack


def tanh_last(weight: Tensor) -> Tensor:
    """Gate rows (4H, ...) of `nn.LSTM`, i f g o, as i f o g: the three sigmoids side by side."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


class Cell:
    """One LSTM layer for B examples: each step overwrites `h` and `c` (B, H)."""

    def __init__(self, weight: Tensor, x: Tensor, h: Tensor) -> None:
        """A cell whose gates are x @ weight + bias, weight (K, 4H); x (B, K) and h (B, H) are views of the stack's buffer."""
        batch, size = h.shape
        self.weight, self.x, self.h = weight, x, h
        self.c = torch.empty_like(h, memory_format=torch.contiguous_format)
        self.gates = h.new_empty(batch, 4 * size)
        self.sigmoids, self.candidate = self.gates.split([3 * size, size], dim=1)
        self.input_gate, self.forget_gate, self.output_gate = self.sigmoids.chunk(3, dim=1)

    def step(self, bias: Tensor) -> None:
        """Advance one step; bias (4H,) or (B, 4H) is the part of the gates that does not come from x."""
        torch.addmm(bias, self.x, self.weight, out=self.gates)
        self.sigmoids.sigmoid_()
        self.candidate.tanh_()
        self.c.mul_(self.forget_gate).addcmul_(self.input_gate, self.candidate)
        torch.tanh(self.c, out=self.candidate)
        torch.mul(self.output_gate, self.candidate, out=self.h)


class Stepper:
    """A stack and its output layer for B examples: `start` a segment, then `step` by step.

    The first layer's product with z is taken once a segment, its product with the previous event is a row of a table. All
    hidden states share one buffer [h0 h1 ...], so that one matrix product serves a layer's input and recurrence.
    """

    def __init__(self, stack: LstmStack, output: nn.Linear, batch: int) -> None:
        self.stack, self.output_bias = stack, output.bias
        self.output_weight = output.weight.T.contiguous()
        self.logits = output.weight.new_empty(batch, output.out_features)
        hidden = output.weight.new_empty(batch, sum(stack.sizes))
        self.cells, self.biases = [], []
        stop = 0
        for k, layer in enumerate(stack.layers):
            w_ih, w_hh, b_ih, b_hh = map(tanh_last, layer.all_weights[0])
            if k == 0:
                self._split_input(w_ih.T.contiguous(), output.out_features)
            weight = (torch.cat([w_ih, w_hh], dim=1) if k else w_hh).T.contiguous()
            start, stop = stop, stop + layer.hidden_size
            self.cells.append(Cell(weight, hidden[:, stop - len(weight) : stop], hidden[:, start:stop]))
            self.biases.append(b_ih + b_hh)

    def _split_input(self, weight: Tensor, events: int) -> None:
        z_size = self.stack.initial_state.in_features
        self.table, self.z_weight, self.control_weight = weight.tensor_split((events, events + z_size))
        self.table = torch.cat([self.table, torch.zeros_like(self.table[:1])])  # the last row: no event yet

    def start(self, z: Tensor) -> None:
        """Set the initial state and the constant input for z (B, Z)."""
        for cell, (h, c) in zip(self.cells, self.stack.state(z), strict=True):
            cell.h.copy_(h)
            cell.c.copy_(c)
        self.constant = torch.addmm(self.biases[0], z, self.z_weight)

    def step(self, previous: Tensor, control: Tensor | None = None) -> Tensor:
        """Logits (B, V) of the next event given the previous one, (B,) int64 (V: none), and control (B, C); reused next step."""
        bias = self.table.index_select(0, previous).add_(self.constant)
        if control is not None:
            bias.addmm_(control, self.control_weight)
        for cell, static in zip(self.cells, [bias, *self.biases[1:]], strict=True):
            cell.step(static)
        return torch.addmm(self.output_bias, self.cells[-1].h, self.output_weight, out=self.logits)
