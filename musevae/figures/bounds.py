"""What a VAE is worth in nats: rate against distortion (Alemi et al. 2018), and the bound of many draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.models.elbo import iwae_bound
from musevae.training.bounds import ROWS, mean_nats
from musevae.training.image_task import Examples

BETAS = (0.25, 0.5, 1.0, 2.0, 4.0)
KS = (1, 2, 5, 10, 50, 100, 500)  # each divides the last
LINE: dict[str, Any] = {"color": paper.ACCENT, "linewidth": 1, "marker": "o", "markersize": 5}
IMAGES = 100  # whose bounds are averaged


def rate_distortion(studio: Studio) -> Figure:
    """Models of several betas, each a point between a cheap code and a faithful one."""
    points = rates(studio)
    at_one = sum(points[1.0])
    figure = paper.blank(5.0)
    axes = figure.subplots()
    axes.set(xlabel="rate: KL in nats", ylabel="distortion: -log p(x|z) in nats")
    axes.axline((0, at_one), slope=-1, color=paper.RULE, linewidth=1)
    axes.plot(*zip(*points.values(), strict=True), **LINE)
    for beta, point in points.items():
        paper.label(axes, f"beta {beta:g}, -ELBO {sum(point):.1f}", point, (7, 4))
    axes.set_xlim(0, 1.25 * max(rate for rate, _ in points.values()))
    axes.margins(y=0.1)
    return paper.head(
        figure,
        "Rate and distortion over beta: a larger beta buys a shorter code with a worse image",
        studio.note(f"grey: all that costs {at_one:.1f} nats, as beta 1 does; {len(studio.held)} images", studio.small),
    )


def bound_against_k(studio: Studio) -> Figure:
    """How the bound of log p(x) tightens with the number of draws."""
    nelbo, log_weights = many_draws(studio)
    exact, found = -mean_nats(nelbo), bounds_by_k(log_weights, KS)
    figure = paper.blank(4.4)
    axes = figure.subplots()
    axes.set(xlabel="draws of z for each image, k", ylabel="bound of log p(x) in nats", xscale="log")
    axes.axhline(exact, color=paper.SECOND, linewidth=1, linestyle="--", label=f"ELBO: {exact:.2f}")
    axes.plot(list(found), list(found.values()), label="IWAE", **LINE)
    for k, bound in found.items():
        paper.label(axes, f"{bound:.2f}", (k, bound), (-4, 5))
    axes.set_xticks(KS, list(map(str, KS)))
    axes.minorticks_off()
    axes.margins(x=0.08, y=0.15)
    axes.legend(loc="upper left")
    return paper.head(
        figure,
        f"The bound of {KS[-1]} draws is {found[KS[-1]] - found[1]:.1f} nats above that of one",
        studio.note(f"{studio.vae.name}, {len(nelbo)} images; the same draws for all k, in groups of k"),
    )


def rates(studio: Studio) -> dict[float, tuple[float, float]]:
    """Rate and distortion in nats of a small model for each beta."""
    models = {beta: studio.trained(f"beta-{beta:g}", studio.architecture, beta=beta) for beta in BETAS}
    worth = {beta: studio.worth(model) for beta, model in models.items()}
    return {beta: (found["kl_nats"], found["reconstruction_nats"]) for beta, found in worth.items()}


def many_draws(studio: Studio) -> tuple[Tensor, Tensor]:
    """The negative ELBO (B,) and the log weights (K, B) of the first held images, at the same K draws, in nats."""
    vae, draw = studio.vae.vae, studio.draw()
    examples = Examples(studio.held.select(slice(IMAGES)), vae.config, {}, studio.device)
    x, *_ = examples.batch(slice(None), draw)
    with torch.inference_mode():
        parts = [vae(part, generator=draw, samples=KS[-1]) for part in torch.split(x, ROWS // KS[-1])]
    return torch.cat([part.nelbo for part in parts]), torch.cat([part.log_weights for part in parts], dim=1)


def bounds_by_k(log_weights: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """The mean bound of log p(x) in nats for each k, of log weights (K, B) taken in groups of k, which divides K.

    A group's bound is at least the mean of its parts' (Jensen): where one k divides the next the bound cannot fall,
    whatever the draws.
    """
    return {k: mean_nats(iwae_bound(log_weights.view(-1, k, log_weights.shape[1]).transpose(0, 1))) for k in ks}
