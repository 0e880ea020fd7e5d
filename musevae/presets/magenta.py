"""Magenta's configs under Magenta's names: architecture, loss and schedule of its MusicVAE (Apache-2.0), exactly."""

from __future__ import annotations

from dataclasses import replace

from musevae.config import (
    Config,
    DrumsConfig,
    GrooveConfig,
    MelodyConfig,
    ModelConfig,
    PerformanceConfig,
    TrainConfig,
    TrioConfig,
)

CHORDS = 49  # of the control: no chord, and four kinds of triads on twelve roots

CAT_MEL_2BAR_SMALL = Config(
    preset="cat-mel_2bar_small",
    about="Magenta's small 2-bar melody model",
    representation=MelodyConfig(bars=2),
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
CAT_MEL_2BAR_MED_CHORDS = replace(
    CAT_MEL_2BAR_SMALL,
    preset="cat-mel_2bar_med_chords",
    about="Magenta's 2-bar melody model given chords; tensors only",
    model=ModelConfig(z_size=256, encoder_sizes=(1024,), decoder_sizes=(512, 512, 512), control_size=CHORDS),
    train=TrainConfig(beta=1.0, transpose=3),
)

FLAT_MEL_16BAR = Config(
    preset="flat-mel_16bar",
    about="Magenta's 16-bar melody model without hierarchy",
    representation=MelodyConfig(bars=16),
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

CAT_DRUMS_2BAR_SMALL = Config(
    preset="cat-drums_2bar_small",
    about="Magenta's small 2-bar drum model",
    representation=DrumsConfig(bars=2),
    model=CAT_MEL_2BAR_SMALL.model,
    train=TrainConfig(beta=0.2, free_bits=48, sampling="inverse_sigmoid", sampling_rate=1000.0),
)
CAT_DRUMS_2BAR_BIG = replace(
    CAT_DRUMS_2BAR_SMALL,
    preset="cat-drums_2bar_big",
    about="Magenta's big 2-bar drum model",
    model=CAT_MEL_2BAR_BIG.model,
)
NADE_DRUMS_2BAR_REDUCED = replace(
    CAT_DRUMS_2BAR_SMALL,
    preset="nade-drums_2bar_reduced",
    about="Magenta's 2-bar model of 9 drums, drawn one after another (NADE)",
    representation=DrumsConfig(bars=2, bits=True),
    model=ModelConfig(z_size=256, encoder_sizes=(1024,), decoder_sizes=(512, 512)),
)
NADE_DRUMS_2BAR_FULL = replace(
    NADE_DRUMS_2BAR_REDUCED,
    preset="nade-drums_2bar_full",
    about="Magenta's 2-bar model of 61 drums, drawn one after another (NADE)",
    representation=DrumsConfig(bars=2, drum_classes=61, bits=True),
)

FLAT_TRIO_16BAR = Config(
    preset="flat-trio_16bar",
    about="Magenta's 16-bar trio of melody, bass and drums without hierarchy",
    representation=TrioConfig(bars=16),
    model=FLAT_MEL_16BAR.model,
    train=TrainConfig(batch_size=256, beta=1.0),
)
HIERDEC_TRIO_16BAR = replace(
    FLAT_TRIO_16BAR,
    preset="hierdec-trio_16bar",
    about="Magenta's 16-bar trio with a hierarchical decoder",
    model=HIERDEC_MEL_16BAR.model,
    train=TrainConfig(batch_size=256, beta=0.2, free_bits=256),
)
HIER_TRIO_16BAR = replace(
    HIERDEC_TRIO_16BAR,
    preset="hier-trio_16bar",
    about="Magenta's 16-bar trio, hierarchical in encoder and decoder",
    model=HIER_MEL_16BAR.model,
)

GROOVAE_4BAR = Config(
    preset="groovae_4bar",
    about="Magenta's 4-bar drum performances; tensors only",
    representation=GrooveConfig(bars=4),
    model=replace(CAT_MEL_2BAR_SMALL.model, dropout=0.7),
    train=TrainConfig(beta=0.2, free_bits=48),
)
GROOVAE_2BAR_HUMANIZE, GROOVAE_2BAR_TAP, GROOVAE_2BAR_TAP_DROPOUT, GROOVAE_2BAR_ADD_CLOSED_HH = (
    replace(
        GROOVAE_4BAR,
        preset=f"groovae_2bar_{task}",
        about=f"Magenta's 2-bar drum performances, {aim}; tensors only",
        representation=GrooveConfig(bars=2),
    )
    for task, aim in {
        "humanize": "given the hits",
        "tap_fixed_velocity": "given a tapped rhythm",
        "tap_fixed_velocity_note_dropout": "given part of a tapped rhythm",
        "add_closed_hh": "given all but the closed hi-hat",
    }.items()
)
GROOVAE_2BAR_HITS_CONTROL = replace(
    GROOVAE_2BAR_HUMANIZE,
    preset="groovae_2bar_hits_control_tfds",
    about="Magenta's 2-bar drum performances, with the hits as control; tensors only",
    model=replace(GROOVAE_4BAR.model, control_size=9),
)

HIER_MULTIPERF_MED = Config(
    preset="hier-multiperf_vel_1bar_med",
    about="Magenta's bar of eight instruments, medium; tensors only",
    representation=PerformanceConfig(),
    model=ModelConfig(
        z_size=512,
        encoder="hierarchical",
        encoder_sizes=(1024,),
        decoder="hierarchical",
        decoder_sizes=(512, 512, 512),
        segments=8,
    ),
    train=TrainConfig(batch_size=256, beta=1.0, transpose=3),
)
HIER_MULTIPERF_BIG = replace(
    HIER_MULTIPERF_MED,
    preset="hier-multiperf_vel_1bar_big",
    about="Magenta's bar of eight instruments, big; tensors only",
    model=replace(HIER_MULTIPERF_MED.model, encoder_sizes=(2048,), decoder_sizes=(1024, 1024, 1024)),
)
HIER_MULTIPERF_MED_CHORDS, HIER_MULTIPERF_BIG_CHORDS = (
    replace(
        config,
        preset=f"{config.preset}_chords",
        about=config.about.replace(";", ", given chords;"),
        model=replace(config.model, control_size=CHORDS),
    )
    for config in (HIER_MULTIPERF_MED, HIER_MULTIPERF_BIG)
)

MAGENTA = (
    CAT_MEL_2BAR_SMALL,
    CAT_MEL_2BAR_BIG,
    CAT_MEL_2BAR_MED_CHORDS,
    FLAT_MEL_16BAR,
    HIERDEC_MEL_16BAR,
    HIER_MEL_16BAR,
    CAT_DRUMS_2BAR_SMALL,
    CAT_DRUMS_2BAR_BIG,
    NADE_DRUMS_2BAR_REDUCED,
    NADE_DRUMS_2BAR_FULL,
    FLAT_TRIO_16BAR,
    HIERDEC_TRIO_16BAR,
    HIER_TRIO_16BAR,
    GROOVAE_4BAR,
    GROOVAE_2BAR_HUMANIZE,
    GROOVAE_2BAR_TAP,
    GROOVAE_2BAR_TAP_DROPOUT,
    GROOVAE_2BAR_ADD_CLOSED_HH,
    GROOVAE_2BAR_HITS_CONTROL,
    HIER_MULTIPERF_MED,
    HIER_MULTIPERF_BIG,
    HIER_MULTIPERF_MED_CHORDS,
    HIER_MULTIPERF_BIG_CHORDS,
)
