"""MusicVAE, a recurrent variational autoencoder of event sequences (Roberts et al. 2018, arXiv:1803.05428)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from musevae.models.decoders import TEACHER_FORCING, LstmDecoder, ScheduledSampling, SplitDecoder
from musevae.models.encoders import BidirectionalLstmEncoder, HierarchicalLstmEncoder, PosteriorHead
from musevae.models.gaussian import DiagonalGaussian
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.lstm import LstmStack, dense
from musevae.models.outputs import Categorical, Logits, MultiCategorical, Output
from musevae.models.vae import Vae, check_shape

ENCODERS = ("bidirectional", "hierarchical", "none")
DECODERS = ("flat", "hierarchical")
INFORMATIVE_SIGMA_BIAS = -2.0  # sigma begins at softplus(-2) = 0.13, not at softplus(0) = 0.69


class MusicVAE(Vae):
    """Encoder, posterior and decoder of windows of `steps` events of the kind that `output` says.

    Every `events` is (B, T, *output.shape) with T = steps, of any integer dtype unless `output.floating`; every
    `control` is (B, T, C) with C = control_size and required where C > 0. `hierarchical` encoders and decoders see
    `segments` equal segments; a hierarchical decoder of several classes a step has a core for each, and with
    `independent_segments` no segment sees the events of another. In training,
    `dropout` is the probability with which each element of an LSTM layer's input is dropped (1 - Magenta's keep
    probability). `informative_start` begins training with a posterior that says much and a decoder that hears it, where
    Magenta's are nearly constant. With encoder "none" the model decodes only, and has no posterior.
    """

    def __init__(
        self,
        *,
        steps: int,
        output: Output,
        z_size: int,
        encoder_sizes: Sequence[int],
        decoder_sizes: Sequence[int],
        encoder: Literal["bidirectional", "hierarchical", "none"] = "bidirectional",
        decoder: Literal["flat", "hierarchical"] = "flat",
        segments: int | None = None,
        conductor_sizes: Sequence[int] | None = None,
        control_size: int = 0,
        dropout: float = 0.0,
        independent_segments: bool = False,
        informative_start: bool = False,
    ) -> None:
        super().__init__()
        self.steps, self.z_size, self.control_size = steps, z_size, control_size
        input_size = output.input_size + control_size
        self.segments = segments = check_architecture(encoder, decoder, steps, segments)
        self.encoder: BidirectionalLstmEncoder | HierarchicalLstmEncoder | None = None
        if encoder == "bidirectional":
            self.encoder = BidirectionalLstmEncoder(input_size, encoder_sizes, dropout=dropout)
        elif encoder == "hierarchical":
            lengths = (steps // segments, segments)
            self.encoder = HierarchicalLstmEncoder(input_size, encoder_sizes, lengths, dropout=dropout)
        self.head = None if self.encoder is None else PosteriorHead(self.encoder.output_size, z_size)
        build = partial(LstmDecoder, sizes=decoder_sizes, control_size=control_size, dropout=dropout)
        self.decoder: LstmDecoder | HierarchicalLstmDecoder
        if decoder == "flat":
            self.decoder = build(output, z_size=z_size)
        else:
            conductor_sizes = conductor_sizes or decoder_sizes
            core: LstmDecoder | SplitDecoder
            if isinstance(output, MultiCategorical):
                parts = [build(Categorical(n), z_size=conductor_sizes[-1]) for n in output.classes]
                core = SplitDecoder(output, parts)
            else:
                core = build(output, z_size=conductor_sizes[-1])
            self.decoder = HierarchicalLstmDecoder(
                core, conductor_sizes, z_size, segments, independent=independent_segments
            )
        if informative_start:
            self._start_informative()

    def posterior(self, events: Tensor, control: Tensor | None = None) -> DiagonalGaussian:
        """q(z|x), (B, Z), of events (B, T, ...); ValueError where the model has no encoder."""
        if self.encoder is None or self.head is None:
            raise ValueError("this model decodes only: its checkpoint had no encoder, so it cannot encode")
        events = self._check_events(events)
        control = self._check_control(control, len(events))
        x = self.output.inputs(events)
        x = x.to(self._dtype) if x.is_floating_point() else x
        if control is not None:
            x = dense(x, control, self.output.input_size + self.control_size)
        posterior: DiagonalGaussian = self.head(self.encoder(x, self._lengths(events)))
        return posterior

    def logits(
        self,
        events: Tensor,
        z: Tensor,
        control: Tensor | None = None,
        *,
        sampling: ScheduledSampling = TEACHER_FORCING,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """Logits (B, T, V) of events (B, T, ...), a tuple of 3 for trios, given z (B, Z) and the events before.

        Those before may be mixed with the model's own by scheduled `sampling`, see `LstmDecoder.logits`.
        """
        events = self._check_events(events)
        z, control = self._check_z(z, len(events)), self._check_control(control, len(events))
        return self.decoder.logits(events, z, control, sampling=sampling, generator=generator)

    def decode(
        self,
        z: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        control: Tensor | None = None,
    ) -> Tensor:
        """Free-running events (B, T, ...) for z (B, Z), drawn at a temperature (0: argmax), without gradients."""
        z, control = self._check_z(z, None), self._check_control(control, len(z))
        return self.decoder.decode(z, self.steps, temperature, generator, control)

    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: torch.Generator | None = None, samples: int = 1
    ) -> tuple[DiagonalGaussian, Tensor]:
        """q(z|x) of events x (B, T, ...) under a control, each `samples` times, and a draw of each."""
        posterior = self.posterior(x, condition).repeated(samples)
        return posterior, posterior.sample(generator)

    def negative_log_likelihood(
        self,
        x: Tensor,
        z: Tensor,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        **decoding: Any,  # noqa: ANN401 - what a kind of model adds
    ) -> Tensor:
        """-log p(x|z) (B,) in nats of events x (B, T, ...) under a control, by logits with such `decoding`."""
        logits = self.logits(x, z, condition, generator=generator, **decoding)
        return self.decoder.negative_log_likelihood(logits, self._check_events(x))

    @property
    def output(self) -> Output:
        """The kind of the events."""
        return self.decoder.output

    def _start_informative(self) -> None:
        """Glorot maps to mu and to initial states, a small sigma: training skips the plateau where z is ignored."""
        stacks = [module for module in self.modules() if isinstance(module, LstmStack)]
        if self.head is not None:
            nn.init.xavier_uniform_(self.head.mu.weight)
            nn.init.constant_(self.head.sigma.bias, INFORMATIVE_SIGMA_BIAS)
        for stack in stacks:
            nn.init.xavier_uniform_(stack.initial_state.weight)

    def _check_events(self, events: Tensor) -> Tensor:
        check_shape("events", events, (None, self.steps, *self.output.shape))
        if events.is_floating_point() != self.output.floating:
            expected = "a floating-point" if self.output.floating else "an integer"
            raise ValueError(f"events are {events.dtype}; expected {expected} dtype")
        if self.output.floating:
            return events.to(self._dtype)
        events = events.long()
        if events.is_cuda:
            return events  # a look at them would have to wait for the GPU
        if not ((events >= 0) & (events < torch.tensor(self.output.limits))).all():
            raise ValueError(f"events reach {events.min()}..{events.max()}; they must be below {self.output.limits}")
        return events

    def _check_z(self, z: Tensor, batch: int | None) -> Tensor:
        check_shape("z", z, (batch, self.z_size))
        return z

    def _check_control(self, control: Tensor | None, batch: int) -> Tensor | None:
        if (control is None) != (self.control_size == 0):
            given = "missing" if control is None else "given"
            raise ValueError(f"control is {given}, but control_size is {self.control_size}")
        if control is None:
            return None
        check_shape("control", control, (batch, self.steps, self.control_size))
        return control.to(self._dtype)

    def _lengths(self, events: Tensor) -> Tensor | None:
        """How many events each segment has, (B, S), where segments end."""
        if not self.output.ends:
            return None
        lengths = (events < self.output.size).reshape(len(events), self.segments, -1).sum(-1)
        if not lengths.all():
            raise ValueError(f"a segment has no event; it has at least its end, class {self.output.size - 1}")
        return lengths

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.decoder.parameters()).dtype


def check_architecture(encoder: str, decoder: str, steps: int, segments: int | None) -> int:
    """The number of segments, 1 where nothing is hierarchical; ValueError where the choices do not fit together."""
    if encoder not in ENCODERS or decoder not in DECODERS:
        raise ValueError(f"encoder {encoder!r}, decoder {decoder!r}; expected one of {ENCODERS} and one of {DECODERS}")
    if "hierarchical" not in (encoder, decoder):
        return 1
    if not segments or segments < 1 or steps % segments:
        raise ValueError(f"segments is {segments}; a hierarchical model needs a number that divides its {steps} steps")
    return segments
