"""Named presets. Ours (lower case with hyphens) are the recipes that measured best; Magenta's carry Magenta's names."""

from __future__ import annotations

from dataclasses import asdict, replace

from musevae.config import Config, ModelConfig, RepresentationConfig, TrainConfig, known, override
from musevae.music.melody import MelodyRepresentation

TWO_BARS = RepresentationConfig(name="melody", bars=2)
SIXTEEN_BARS = RepresentationConfig(name="melody", bars=16)

CAT_MEL_2BAR_SMALL = Config(
    preset="cat-mel_2bar_small",
    about="Magenta's small 2-bar melody model",
    representation=TWO_BARS,
    model=ModelConfig(z_size=256, encoder_sizes=(512,), decoder_sizes=(256, 256)),
    train=TrainConfig(beta=0.2, beta_rate=0.99999, sampling="inverse_sigmoid", sampling_rate=1000.0, transpose=5),
)
CAT_MEL_2BAR_BIG = replace(
    CAT_MEL_2BAR_SMALL,
    preset="cat-mel_2bar_big",
    about="Magenta's big 2-bar melody model",
    model=ModelConfig(z_size=512, encoder_sizes=(2048,), decoder_sizes=(2048, 2048, 2048)),
    train=replace(CAT_MEL_2BAR_SMALL.train, beta=0.5),
)
FLAT_MEL_16BAR = Config(
    preset="flat-mel_16bar",
    about="Magenta's 16-bar melody model without hierarchy",
    representation=SIXTEEN_BARS,
    model=ModelConfig(z_size=512, encoder_sizes=(2048, 2048), decoder_sizes=(2048, 2048, 2048)),
    train=TrainConfig(beta=0.2, free_bits=256, transpose=5),
)
HIERDEC_MEL_16BAR = replace(
    FLAT_MEL_16BAR,
    preset="hierdec-mel_16bar",
    about="Magenta's 16-bar melody model with a hierarchical decoder",
    model=ModelConfig(
        z_size=512, encoder_sizes=(2048, 2048), decoder="hierarchical", decoder_sizes=(1024, 1024), segments=16
    ),
)
HIER_MEL_16BAR = replace(
    HIERDEC_MEL_16BAR,
    preset="hier-mel_16bar",
    about="Magenta's 16-bar melody model, hierarchical in encoder and decoder",
    model=replace(HIERDEC_MEL_16BAR.model, encoder="hierarchical", encoder_sizes=(1024,)),
)

MELODY_2BAR = Config(
    preset="melody-2bar",
    about="2-bar melodies, trained by one core in about two hours",
    representation=TWO_BARS,
    model=ModelConfig(z_size=128, encoder_sizes=(256,), decoder_sizes=(256,), informative_start=True),
    train=TrainConfig(
        steps=24_000,
        batch_size=64,
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        warmup_steps=200,
        beta=0.5,
        beta_warmup_steps=30_000,
        transpose=5,
        validate_every=500,
    ),
)
MELODY_16BAR = Config(
    preset="melody-16bar",
    about="16-bar melodies, hierarchical, for two cores and an hour or two",
    representation=SIXTEEN_BARS,
    model=ModelConfig(
        z_size=256,
        encoder="hierarchical",
        encoder_sizes=(256,),
        decoder="hierarchical",
        decoder_sizes=(256,),
        segments=16,
        informative_start=True,
    ),
    train=replace(
        MELODY_2BAR.train, steps=30_000, batch_size=32, beta=0.2, beta_warmup_steps=0, free_bits=256, learning_rate=1e-3
    ),
)

PRESETS = {
    config.preset: config
    for config in (
        MELODY_2BAR,
        MELODY_16BAR,
        CAT_MEL_2BAR_SMALL,
        CAT_MEL_2BAR_BIG,
        FLAT_MEL_16BAR,
        HIERDEC_MEL_16BAR,
        HIER_MEL_16BAR,
    )
}
REPRESENTATIONS = {"melody": MelodyRepresentation}


def preset(name: str, settings: tuple[str, ...] | list[str] = ()) -> Config:
    """The preset of that name, changed by `settings` ("model.z_size=128"); ConfigError suggests the nearest name."""
    return override(PRESETS[known(name, PRESETS)], settings)


def representation(config: RepresentationConfig) -> MelodyRepresentation:
    """The representation that a config describes; ValueError where its numbers do not fit together."""
    parameters = {key: value for key, value in asdict(config).items() if key != "name"}
    return REPRESENTATIONS[known(config.name, REPRESENTATIONS, "representation ")](**parameters)
