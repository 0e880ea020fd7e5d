"""Magenta's weights must give Magenta's numbers: tests/data/parity holds tiny checkpoints and what Magenta computed.

The first half reads TensorFlow's checkpoint format, just enough for these fixtures.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from musevae.models.decoders import LstmDecoder
from musevae.models.encoders import BidirectionalLstmEncoder
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.lstm import LstmStack
from musevae.models.music_vae import MusicVAE
from musevae.models.outputs import negative_log_likelihood
from musevae.models.stepping import Stepper

PARITY = Path(__file__).parents[1] / "data" / "parity"
SIZES: dict[str, Any] = {"input_size": 90, "output_size": 90, "z_size": 8, "decoder_sizes": [20, 20]}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "cat-mel_2bar_small": {"steps": 32, "encoder_sizes": [16]},
    "hierdec-mel_16bar": {"steps": 256, "encoder_sizes": [16, 16], "decoder": "hierarchical", "segments": 16},
}
Variables = dict[str, Tensor]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The base-128 integer at an offset, and the offset behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def table_entries(index: bytes, handle: bytes) -> list[tuple[bytes, bytes]]:
    """The (key, value) pairs of a LevelDB table's block; a key omits the prefix that it shares with the one before."""
    offset, at = varint(handle, 0)
    size, _ = varint(handle, at)
    block = index[offset : offset + size]
    end = size - 4 * (struct.unpack("<I", block[-4:])[0] + 1)  # behind it: restart offsets and their number
    entries, key, at = [], b"", 0
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        key = key[:shared] + block[at : at + unshared]
        at += unshared + length
        entries.append((key, block[at - length : at]))
    return entries


def message(data: bytes) -> dict[int, list[Any]]:
    """The fields of a protocol buffer message by number: integers, or bytes."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value: int | bytes
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if tag & 7 == 2 else (4, at)  # length-delimited or a 32-bit checksum
            value, at = data[at : at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def read_bundle(folder: Path) -> Variables:
    """The float variables of a checkpoint's `model.ckpt.index` and `model.ckpt.data-00000-of-00001`, by name."""
    index = (folder / "model.ckpt.index").read_bytes()
    data = (folder / "model.ckpt.data-00000-of-00001").read_bytes()
    footer = index[-48:]
    _, at = varint(footer, varint(footer, 0)[1])  # past the metaindex handle
    variables = {}
    for _, handle in table_entries(index, footer[at:]):
        for key, value in table_entries(index, handle):
            entry = message(value)  # BundleEntryProto: dtype 1, shape 2, offset 4, size 5
            if key and entry[1] == [1]:
                shape = [message(dim)[1][0] for dim in message(entry[2][0]).get(2, [])]
                array = np.frombuffer(data, np.float32, entry[5][0] // 4, entry.get(4, [0])[0])
                variables[key.decode()] = torch.from_numpy(array.reshape(shape).copy())
    return variables


def load_linear(linear: nn.Linear, variables: Variables, name: str) -> None:
    linear.weight.copy_(variables.pop(f"{name}/kernel").T)
    linear.bias.copy_(variables.pop(f"{name}/bias"))


def load_lstm(layer: nn.LSTM, variables: Variables, name: str, direction: int = 0) -> None:
    """TensorFlow's gates are i, candidate, f, o, and its forget bias of 1 is added at run time."""
    w_ih, w_hh, b_ih, _ = layer.all_weights[direction]
    gates = [variables.pop(f"{name}/lstm_cell/{part}").chunk(4, dim=-1) for part in ("kernel", "bias")]
    kernel, bias = (torch.cat([i, f, g, o], dim=-1) for i, g, f, o in gates)
    w_ih.copy_(kernel[: w_ih.shape[1]].T)
    w_hh.copy_(kernel[w_ih.shape[1] :].T)
    b_ih.copy_(bias)
    b_ih.chunk(4)[1].add_(1.0)


def load_stack(stack: LstmStack, variables: Variables, cells: str, initial_state: str) -> None:
    for k, layer in enumerate(stack.layers):
        load_lstm(layer, variables, f"{cells}/cell_{k}")
    load_linear(stack.initial_state, variables, initial_state)


def load_decoder(decoder: LstmDecoder, variables: Variables, name: str) -> None:
    load_stack(decoder.stack, variables, f"{name}/multi_rnn_cell", f"{name}/z_to_initial_state")
    load_linear(decoder.output, variables, f"{name}/output_projection")


@torch.no_grad()
def load(config: str) -> MusicVAE:
    """The model of a fixture, every one of its variables put to use."""
    variables = read_bundle(PARITY / config)
    vae = MusicVAE(**SIZES, **ARCHITECTURES[config])
    assert isinstance(vae.encoder, BidirectionalLstmEncoder)
    for k, layer in enumerate(vae.encoder.layers):
        for direction, way in enumerate(("fw", "bw")):
            load_lstm(layer, variables, f"encoder/cell_{k}/bidirectional_rnn/{way}/multi_rnn_cell/cell_0", direction)
    load_linear(vae.head.mu, variables, "encoder/mu")
    load_linear(vae.head.sigma, variables, "encoder/sigma")
    if isinstance(vae.decoder, HierarchicalLstmDecoder):
        level = "decoder/hierarchical_level_0"
        load_stack(vae.decoder.conductor, variables, level, f"{level}/initial_state")
        load_decoder(vae.decoder.core, variables, "core_decoder/decoder")
    else:
        load_decoder(vae.decoder, variables, "decoder")
    assert not variables
    return vae.eval()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def case(request: pytest.FixtureRequest) -> tuple[MusicVAE, Variables]:
    with np.load(PARITY / request.param / "io.npz") as arrays:
        return load(request.param), {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def assert_near(ours: Tensor, magenta: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours, magenta, atol=atol, rtol=0)


@torch.no_grad()
def test_posterior_is_magentas(case: tuple[MusicVAE, Variables]) -> None:
    vae, magenta = case
    posterior = vae.posterior(magenta["input"].argmax(-1))
    assert_near(posterior.mu, magenta["mu"])
    assert_near(posterior.sigma, magenta["sigma"])
    assert_near(posterior.kl(), magenta["kl"])


@torch.no_grad()
def test_teacher_forced_logits_and_reconstruction_are_magentas(case: tuple[MusicVAE, Variables]) -> None:
    vae, magenta = case
    target = magenta["target"].argmax(-1)
    logits = vae.logits(target, magenta["z"])
    assert_near(logits, magenta["tf_logits"])
    nll = negative_log_likelihood(logits, target)
    assert_near(nll, magenta["r_loss"], atol=1e-6 * float(magenta["r_loss"].max()))


@torch.no_grad()
def test_greedy_decoding_is_magentas(case: tuple[MusicVAE, Variables]) -> None:
    vae, magenta = case
    events = vae.decode(magenta["z"], temperature=0)
    assert torch.equal(events, magenta["greedy"].argmax(-1))
    assert_near(free_running_logits(vae, magenta["z"]), magenta["greedy_logits"])


def free_running_logits(vae: MusicVAE, z: Tensor) -> Tensor:
    """The logits (B, T, V) that greedy decoding chooses from, step by step."""
    if isinstance(vae.decoder, HierarchicalLstmDecoder):
        core, embeddings = vae.decoder.core, vae.decoder.embeddings(z)
    else:
        core, embeddings = vae.decoder, z.unsqueeze(1)
    stepper = Stepper(core.stack, core.output, len(z))
    previous, logits = torch.full((len(z),), core.output_size), []
    for embedding in embeddings.unbind(1):
        stepper.start(embedding)
        for _ in range(vae.steps // embeddings.shape[1]):
            logits.append(stepper.step(previous).clone())
            previous = logits[-1].argmax(-1)
    return torch.stack(logits, dim=1)
