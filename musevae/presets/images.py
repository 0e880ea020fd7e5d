"""Presets of images: baselines, from the plain autoencoder to DRAW, all judged on the same ELBO."""

from __future__ import annotations

from dataclasses import replace

from musevae.config import ImageConfig, ImageModelConfig, ImagesConfig, ImageTrainConfig

MNIST_MLP = ImageConfig(
    preset="mnist-mlp",
    about="one hidden layer of 400 (Kingma & Welling 2014)",
    model=ImageModelConfig(z_size=20, sizes=(400,), activation="silu"),
    train=ImageTrainConfig(epochs=10, learning_rate=3e-3),
)
MNIST_MLP_DEEP = replace(
    MNIST_MLP,
    preset="mnist-mlp-deep",
    about="two hidden layers of 512",
    model=ImageModelConfig(z_size=32, sizes=(512, 512), activation="silu"),
    train=ImageTrainConfig(epochs=10, learning_rate=2e-3),
)
MNIST_AE = replace(
    MNIST_MLP,
    preset="mnist-ae",
    about="the plain autoencoder: no noise, no KL",
    model=replace(MNIST_MLP.model, noise=False),
)
MNIST_CVAE = replace(
    MNIST_MLP_DEEP,
    preset="mnist-cvae",
    about="conditional: draws the digit that it is told (Sohn et al. 2015)",
    model=replace(MNIST_MLP_DEEP.model, z_size=10, labels=10),  # with 20, fewer samples are that digit
)
MNIST_IWAE = replace(
    MNIST_MLP_DEEP,
    preset="mnist-iwae",
    about="the bound of 5 draws (Burda et al. 2016)",
    train=replace(MNIST_MLP_DEEP.train, epochs=30, samples=5),
)
MNIST_MMD = replace(
    MNIST_MLP,
    preset="mnist-mmd",
    about="maximum mean discrepancy in place of the KL (InfoVAE, Zhao et al. 2019)",
    train=replace(MNIST_MLP.train, beta=0.0, mmd=1000.0),
)
MNIST_CONV = replace(
    MNIST_MLP,
    preset="mnist-conv",
    about="convolutional, with residual blocks",
    model=ImageModelConfig(z_size=32, network="conv", sizes=(16, 32), blocks=1, activation="silu"),
    train=ImageTrainConfig(epochs=20, learning_rate=4e-3),
)
MNIST_DRAW = replace(
    MNIST_MLP,
    preset="mnist-draw",
    about="10 glimpses of a recurrent painter, without attention (Gregor et al. 2015)",
    model=ImageModelConfig(z_size=10, network="draw", hidden_size=256, glimpses=10),
    train=ImageTrainConfig(epochs=30, clip_norm=10.0),
)
MNIST_DRAW_ATTENTION = replace(
    MNIST_DRAW,
    preset="mnist-draw-attention",
    about="10 glimpses that look and paint where they attend",
    model=replace(MNIST_DRAW.model, attention=(2, 5)),
)
FREYFACES = ImageConfig(
    preset="freyfaces",
    about="1,965 frames of a face, as levels of grey",
    images=ImagesConfig(height=28, width=20),
    model=ImageModelConfig(z_size=20, sizes=(200,), likelihood="logistic"),
    train=ImageTrainConfig(epochs=200, batch_size=100, learning_rate=2e-3),
)
CELEBA_CONV = ImageConfig(
    preset="celeba-conv",
    about="64 x 64 faces in colour",
    images=ImagesConfig(channels=3, height=64, width=64),
    model=ImageModelConfig(
        z_size=128,
        network="conv",
        sizes=(64, 128, 256, 512),
        hidden_size=512,
        activation="silu",
        likelihood="logistic",
    ),
    train=ImageTrainConfig(epochs=20, learning_rate=5e-4),
)

IMAGES = (
    MNIST_AE,
    MNIST_MLP,
    MNIST_MLP_DEEP,
    MNIST_CONV,
    MNIST_CVAE,
    MNIST_IWAE,
    MNIST_MMD,
    MNIST_DRAW,
    MNIST_DRAW_ATTENTION,
    FREYFACES,
    CELEBA_CONV,
)
