"""Our own presets: the recipes that measured best, sized for people to train."""

from __future__ import annotations

from dataclasses import replace

from musevae.config import Config, DrumsConfig, MelodyConfig, ModelConfig, TrainConfig, TrioConfig

MELODY_2BAR = Config(
    preset="melody-2bar",
    about="2-bar melodies, trained by one core in about two hours",
    representation=MelodyConfig(bars=2),
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
    representation=MelodyConfig(bars=16),
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
MELODY_16BAR_PARALLEL = replace(
    MELODY_16BAR,
    preset="melody-16bar-parallel",
    about="melody-16bar whose bars are decoded side by side; its training is not measured yet",
    model=replace(MELODY_16BAR.model, independent_segments=True),
)
DRUMS_2BAR = Config(
    preset="drums-2bar",
    about="2-bar drum patterns, trained by one core in about an hour",
    representation=DrumsConfig(bars=2, bits=True),
    model=MELODY_2BAR.model,
    train=replace(
        MELODY_2BAR.train,
        steps=10_000,
        beta=0.13,
        beta_warmup_steps=6_500,
        sampling="inverse_sigmoid",
        sampling_rate=1200.0,
        transpose=0,
        drop_drums=0.1,
    ),
)
TRIO_16BAR = Config(
    preset="trio-16bar",
    about="16 bars of melody, bass and drums, hierarchical; its training is not measured yet",
    representation=TrioConfig(bars=16),
    model=MELODY_16BAR.model,
    train=MELODY_16BAR.train,
)

OURS = (MELODY_2BAR, MELODY_16BAR, MELODY_16BAR_PARALLEL, DRUMS_2BAR, TRIO_16BAR)
