"""Which of Magenta's configs a checkpoint is of: read from the names and shapes of its variables.

Names are those of Magenta's lstm_models.py; a `kernel` is (inputs + hidden, 4 hidden), its gates i, candidate, f, o.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from typing import Any

from numpy.typing import NDArray

from musevae.config import Config, ConfigError, DrumsConfig, known
from musevae.magenta.errors import MagentaError
from musevae.presets.magenta import MAGENTA

Variables = Mapping[str, NDArray[Any]]

CONDUCTOR = "decoder/hierarchical_level_0"
FLAT_ENCODER, ENCODER_LEVEL = "encoder", "encoder/hierarchical_level_{}"
KINDS = {  # widths of the outputs -> what the events are
    (90,): "melody",
    (512,): "drums",
    (90, 90, 512): "trio",
    (692,): "trio",
    (27,): "groove",
    (490,): "performance",
}


@dataclass(frozen=True)
class Architecture:
    """What names and shapes say."""

    kind: str  # of the events, as a representation is called
    bits: int  # of a NADE; 0 without one
    nade_hidden: int
    z_size: int
    encoder: str  # "none" where its variables are missing
    encoder_sizes: tuple[int, ...]
    decoder: str
    decoder_sizes: tuple[int, ...]
    conductor_sizes: tuple[int, ...]
    control_size: int


def encoder_cell(level: str, layer: int, direction: str) -> str:
    """The name of one direction of an encoder's layer."""
    return f"{level}/cell_{layer}/bidirectional_rnn/{direction}/multi_rnn_cell/cell_0"


def core_names(variables: Variables) -> list[str]:
    """The names of the decoders that give the logits: one, or one for each part of a trio."""
    if f"{CONDUCTOR}/initial_state/kernel" not in variables:
        return ["decoder"]
    split = takewhile(lambda name: f"{name}/output_projection/bias" in variables, map(_core, count()))
    return list(split) or ["core_decoder/decoder"]


def _core(part: int) -> str:
    return f"core_decoder/core_decoder_{part}/decoder"


def read_architecture(variables: Variables) -> Architecture:
    """The architecture of a checkpoint; MagentaError where it is none of MusicVAE's."""
    cores = core_names(variables)
    hierarchical = cores != ["decoder"]
    first, decoder_sizes = cores[0], _sizes(variables, f"{cores[0]}/multi_rnn_cell/cell_{{}}")
    conductor_sizes = _sizes(variables, CONDUCTOR + "/cell_{}") if hierarchical else ()
    start = f"{CONDUCTOR}/initial_state" if hierarchical else f"{first}/z_to_initial_state"
    bits, nade_hidden = _nade(variables)
    widths = tuple(_shape(variables, f"{core}/output_projection/bias", 1)[0] for core in cores)
    if not bits and widths not in KINDS:
        raise MagentaError(f"outputs of {widths} classes are of none of Magenta's MusicVAE models")
    rows = _shape(variables, f"{first}/multi_rnn_cell/cell_0/lstm_cell/kernel", 2)[0]
    core_z = _shape(variables, f"{first}/z_to_initial_state/kernel", 2)[0]
    control_size = rows - decoder_sizes[0] - core_z - (bits or widths[0])
    if control_size < 0:
        raise MagentaError(f"{first}/multi_rnn_cell/cell_0 has {-control_size} inputs too few")
    encoder, encoder_sizes = _encoder(variables)
    return Architecture(
        kind="drums" if bits else KINDS[widths],
        bits=bits,
        nade_hidden=nade_hidden,
        z_size=_shape(variables, f"{start}/kernel", 2)[0],
        encoder=encoder,
        encoder_sizes=encoder_sizes,
        decoder="hierarchical" if hierarchical else "flat",
        decoder_sizes=decoder_sizes,
        conductor_sizes=conductor_sizes,
        control_size=control_size,
    )


def recognise(variables: Variables, name: str | None = None, hint: str = "") -> Config:
    """The config of a checkpoint: the one called `name`, or that which fits best, with the checkpoint's own sizes.

    Of several that fit alike, one whose name is in `hint`, the checkpoint's own name or its folder's, is taken.
    MagentaError where none fits, or several do.
    """
    found = read_architecture(variables)
    fitting = [config for config in MAGENTA if _fits(config, found)]
    if name is not None:
        named = next(config for config in MAGENTA if config.preset == known(name, [c.preset for c in MAGENTA]))
        if named not in fitting:
            raise MagentaError(f"its variables are not those of {name}; they fit {_listed(fitting)}")
        fitting = [named]
    if not fitting:
        raise MagentaError(f"no config of Magenta's has {found.kind} events and this encoder and decoder")
    best = max(_likeness(config, found, hint) for config in fitting)
    likely = [config for config in fitting if _likeness(config, found, hint) == best]
    if any(config.representation != likely[0].representation for config in likely):
        raise MagentaError(f"its shapes are those of {_listed(likely)} alike: say which by --config")
    try:
        return _sized(likely[0], found)
    except ConfigError as error:
        raise MagentaError(str(error)) from None


def _fits(config: Config, found: Architecture) -> bool:
    """Whether a config has these events and this way to make them, whatever the sizes."""
    events, model = config.representation, config.model
    bits = events.drum_classes if isinstance(events, DrumsConfig) and events.bits else 0
    alike = (events.name, bits, model.decoder) == (found.kind, found.bits, found.decoder)
    return alike and found.encoder in ("none", model.encoder) and (model.control_size > 0) == (found.control_size > 0)


def _likeness(config: Config, found: Architecture, hint: str) -> tuple[bool, bool, int]:
    """What makes a config likelier, in this order: its layers, their sizes, how much of the hint its name is."""
    model = config.model
    sizes = [(found.decoder_sizes, model.decoder_sizes)]
    if found.encoder != "none":
        sizes.append((found.encoder_sizes, model.encoder_sizes))
    layers = all(len(ours) == len(theirs) for ours, theirs in sizes)
    return layers, all(ours == theirs for ours, theirs in sizes), len(config.preset) if config.preset in hint else 0


def _sized(config: Config, found: Architecture) -> Config:
    conductor = found.conductor_sizes if found.conductor_sizes not in ((), found.decoder_sizes) else None
    model = replace(
        config.model,
        z_size=found.z_size,
        encoder=found.encoder,
        encoder_sizes=found.encoder_sizes or config.model.encoder_sizes,
        decoder_sizes=found.decoder_sizes,
        conductor_sizes=conductor,
        control_size=found.control_size,
        nade_hidden=found.nade_hidden or config.model.nade_hidden,
    )
    return replace(config, model=model)


def _encoder(variables: Variables) -> tuple[str, tuple[int, ...]]:
    """The encoder's kind and sizes; "none" where any of its variables is missing."""
    for kind, level in (("bidirectional", FLAT_ENCODER), ("hierarchical", ENCODER_LEVEL.format(0))):
        cells = [(encoder_cell(level, k, "fw"), encoder_cell(level, k, "bw")) for k in range(_layers(variables, level))]
        needed = [f"{cell}/lstm_cell/kernel" for pair in cells for cell in pair] + ["encoder/mu/kernel"]
        if cells and all(name in variables for name in needed):
            return kind, tuple(_shape(variables, f"{fw}/lstm_cell/bias", 1)[0] // 4 for fw, _ in cells)
    return "none", ()


def _layers(variables: Variables, level: str) -> int:
    biases = (f"{encoder_cell(level, k, 'fw')}/lstm_cell/bias" for k in count())
    return len(list(takewhile(lambda name: name in variables, biases)))


def _sizes(variables: Variables, cell: str) -> tuple[int, ...]:
    """The hidden sizes of a stack of cells, named by a format."""
    biases = takewhile(lambda name: name in variables, (f"{cell.format(k)}/lstm_cell/bias" for k in count()))
    sizes = tuple(_shape(variables, name, 1)[0] // 4 for name in biases)
    if not sizes:
        raise MagentaError(f"it is no MusicVAE: it has no {cell.format(0)}/lstm_cell/bias")
    return sizes


def _nade(variables: Variables) -> tuple[int, int]:
    if "decoder/nade/w_enc" not in variables:
        return 0, 0
    bits, _, hidden = _shape(variables, "decoder/nade/w_enc", 3)
    return bits, hidden


def _shape(variables: Variables, name: str, dims: int) -> tuple[int, ...]:
    """The shape of a variable; MagentaError where it is missing or has another number of dimensions."""
    if name not in variables:
        raise MagentaError(f"it is no MusicVAE: it has no {name}")
    shape = variables[name].shape
    if len(shape) != dims or 0 in shape:
        raise MagentaError(f"{name} has the shape {shape}; a MusicVAE's has {dims} dimensions")
    return shape


def _listed(configs: Sequence[Config]) -> str:
    return ", ".join(config.preset for config in configs) or "none of Magenta's"
