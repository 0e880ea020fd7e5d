from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from musevae.models.attention import filter_grid
from musevae.models.draw import Draw, WholeReader, WholeWriter
from musevae.models.elbo import Elbo
from musevae.models.likelihoods import Bernoulli, Gaussian
from musevae.models.vae import draws, rows
from tests.models.conftest import CheckGradient, Fill

TINY: dict[str, Any] = {
    "shape": (1, 6, 5),
    "likelihood": Bernoulli(),
    "glimpses": 3,
    "z_size": 2,
    "hidden_size": 4,
}
both = pytest.mark.parametrize("attention", [None, (2, 3)], ids=["whole", "attention"])


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def images(count: int = 4) -> Tensor:
    return torch.randint(0, 2, (count, 1, 6, 5), generator=seed(0)).float()


@pytest.fixture
def draw(attention: tuple[int, int] | None, fill: Fill) -> Draw:
    model = Draw(**TINY, attention=attention)
    fill(model)
    return model


@both
@pytest.mark.parametrize(("channels", "likelihood"), [(1, Bernoulli()), (3, Gaussian())])
def test_shapes(attention: tuple[int, int] | None, channels: int, likelihood: Bernoulli | Gaussian) -> None:
    model = Draw(**TINY | {"shape": (channels, 6, 5), "likelihood": likelihood}, attention=attention)
    x = torch.rand(4, channels, 6, 5, generator=seed(0)).round()
    elbo, posterior, z = model(x), model.posterior(x), torch.randn(4, 6, generator=seed(1))
    assert (elbo.reconstruction.shape, elbo.kl_per_dim.shape) == ((4,), (4, 6))
    assert posterior.mu.shape == posterior.sigma.shape == (4, model.z_size) == (4, 6)
    assert model.negative_log_likelihood(x, z).shape == (4,)
    assert model.canvases(z).shape == (4, 3, channels, 6, 5)
    assert model.decode(z).shape == x.shape


@both
@pytest.mark.parametrize("samples", [1, 5])
def test_elbo_is_that_of_inference_and_likelihood(draw: Draw, samples: int) -> None:
    """To the last bit, though the one paints what the other has painted before."""
    elbo = draw(images(), generator=seed(1), samples=samples)
    posterior, z = draw.infer(images(), generator=seed(1), samples=samples)
    nll = draw.negative_log_likelihood(rows(images(), samples), z)
    assert torch.equal(elbo.z, z)
    assert torch.equal(elbo.reconstruction, draws(nll, samples).mean(0))
    assert torch.equal(elbo.kl_per_dim, draws(posterior.kl_per_dim(), samples).mean(0))


@both
def test_log_weights_are_of_each_images_own_draws(draw: Draw) -> None:
    elbo = draw(images(), generator=seed(1), samples=5)
    posterior, z = draw.infer(images(), generator=seed(1), samples=5)
    for k in range(5):
        mu, sigma, of_k = (draws(part, 5)[k] for part in (posterior.mu, posterior.sigma, z))
        expected = Normal(0.0, 1.0).log_prob(of_k).sum(1) - Normal(mu, sigma).log_prob(of_k).sum(1)
        torch.testing.assert_close(elbo.log_weights[k], expected - draw.negative_log_likelihood(images(), of_k))
        torch.testing.assert_close(mu[:, :2], draw.posterior(images()).mu[:, :2])  # of the first glimpse: no draw yet


@both
def test_kl_is_that_of_torch_distributions(draw: Draw) -> None:
    posterior, _ = draw.infer(images(), generator=seed(1))
    expected = kl_divergence(Normal(posterior.mu, posterior.sigma), Normal(0.0, 1.0))
    torch.testing.assert_close(draw(images(), generator=seed(1)).kl_per_dim, expected)


def written_out(model: Draw, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """-log p(x|z) and KL by equations 3 to 11 and PyTorch's LSTM cell; noise is (B, T, Z)."""
    size, gates, paint, no_bias = 4, model.encoder.gates, model.decoder.gates, torch.zeros(16)
    h_enc, c_enc = model.encoder.start.unsqueeze(1).repeat(1, len(x), 1)
    h_dec, c_dec = model.decoder.start.unsqueeze(1).repeat(1, len(x), 1)
    canvas, kl = model.blank.repeat(len(x), 1, 1, 1), torch.zeros(len(x))
    for eps in noise.unbind(1):
        r, w_r = read(model, x, x - canvas.sigmoid(), h_dec)
        weights = (torch.cat([w_r, gates.weight[:, :size]], dim=1), gates.weight[:, size:], gates.bias, no_bias)
        h_enc, c_enc = torch.lstm_cell(torch.cat([r, h_dec], dim=1), (h_enc, c_enc), *weights)
        mu, sigma = model.head.mu(h_enc), F.softplus(model.head.sigma(h_enc))
        kl = kl + 0.5 * (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(1)
        weights = (paint.weight[:, :2], paint.weight[:, 2:], paint.bias, no_bias)
        h_dec, c_dec = torch.lstm_cell(mu + sigma * eps, (h_dec, c_dec), *weights)
        canvas = canvas + write(model, h_dec)
    return F.binary_cross_entropy_with_logits(canvas, x, reduction="none").sum((1, 2, 3)), kl


def read(model: Draw, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, Tensor]:
    """What is read by equation 17 or 27, and its weights in the encoder."""
    if isinstance(model.reader, WholeReader):
        weights = torch.cat([model.reader.image.weight, model.reader.error.weight], dim=1)
        return torch.cat([x, error], dim=1).flatten(1), weights
    grid = filter_grid(model.reader.attention.parameters_of_grid(h_dec), 2, 6, 5)
    patches = [grid.vertical @ of[:, 0] @ grid.horizontal.mT for of in (x, error)]
    return grid.intensity.unsqueeze(1) * torch.stack(patches, dim=1).flatten(1), model.reader.patches.weight


def write(model: Draw, h_dec: Tensor) -> Tensor:
    """What is painted by equation 18, or 28 and 29."""
    if isinstance(model.writer, WholeWriter):
        stroke: Tensor = model.writer.stroke(h_dec)
        return stroke.view(-1, 1, 6, 5)
    grid = filter_grid(model.writer.attention.parameters_of_grid(h_dec), 3, 6, 5)
    patch = model.writer.patch(h_dec).view(-1, 3, 3) / grid.intensity.view(-1, 1, 1)
    painted: Tensor = grid.vertical.mT @ patch @ grid.horizontal
    return painted.unsqueeze(1)


@both
@pytest.mark.parametrize("glimpses", [1, 3])
def test_elbo_is_that_of_the_equations_written_out(
    attention: tuple[int, int] | None, glimpses: int, fill: Fill
) -> None:
    """With one glimpse and without attention, this is an ordinary VAE."""
    model = Draw(**TINY | {"glimpses": glimpses}, attention=attention)
    fill(model)
    draw = seed(1)
    noise = torch.stack([torch.randn(4, 2, generator=draw) for _ in range(glimpses)], dim=1)
    elbo, (nll, kl) = model(images(), generator=seed(1)), written_out(model, images(), noise)
    torch.testing.assert_close(elbo.reconstruction, nll)
    torch.testing.assert_close(elbo.kl, kl)


@both
def test_posterior_follows_the_means(draw: Draw) -> None:
    nn.init.zeros_(draw.head.sigma.weight)
    nn.init.constant_(draw.head.sigma.bias, -30)  # draws are the means
    _, z = draw.infer(images(), generator=seed(1))
    torch.testing.assert_close(draw.posterior(images()).mu, z)


@both
def test_images_are_the_last_canvases(draw: Draw) -> None:
    z = torch.randn(2, 6, generator=seed(1))
    canvases, decoded = draw.canvases(z), draw.decode(z)
    assert torch.equal(canvases[:, -1], decoded)
    assert (canvases[:, 0] - canvases[:, 1]).abs().max() > 0.01
    nll = F.binary_cross_entropy(decoded, images(2), reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(draw.negative_log_likelihood(images(2), z), nll)


@both
def test_earlier_glimpses_do_not_depend_on_later_latents(draw: Draw) -> None:
    z = torch.randn(2, 6, generator=seed(1))
    changed = torch.cat([z[:, :4], z[:, 4:] + 1], dim=1)
    before, after = draw.canvases(z), draw.canvases(changed)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, 2], after[:, 2])


@both
def test_same_seed_gives_the_same_elbo(draw: Draw) -> None:
    first, second, other = (draw(images(), generator=seed(number)).nelbo for number in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@both
def test_mixed_precision_gives_the_same_up_to_its_rounding(draw: Draw) -> None:
    expected = draw(images(), generator=seed(1)).nelbo
    with torch.autocast("cpu", torch.bfloat16):
        found = draw(images(), generator=seed(1)).nelbo
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.3, rtol=0.02)


@both
def test_gradient_of_the_elbo_is_that_of_finite_differences(draw: Draw, check_gradient: CheckGradient) -> None:
    model = draw.double()

    def loss() -> Tensor:
        elbo: Elbo = model(images().double(), generator=seed(2))
        return elbo.loss(beta=0.5).mean()

    check_gradient(model, loss)


@pytest.mark.parametrize("attention", [None, (4, 6)])
def test_one_batch_can_be_learnt_by_heart(attention: tuple[int, int] | None) -> None:
    torch.manual_seed(0)
    model, noise, x = Draw(**TINY | {"hidden_size": 32}, attention=attention), seed(1), images(2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        model(x, generator=noise).loss(beta=0.001).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    assert torch.equal(model.decode(model.posterior(x).mu).round(), x)


@pytest.mark.parametrize(
    ("attention", "expected"),
    [(None, [33.9269638, 0.3228233, 0.8869069, 0.3106933]), ((2, 3), [23.0806675, 0.7673026, 0.3129236, 0.6554531])],
    ids=["whole", "attention"],
)
@torch.no_grad()
def test_fixed_weights_give_frozen_numbers(draw: Draw, expected: list[float]) -> None:
    """-log p(x|z), a mean, a deviation and a pixel, as they were when the equations had been checked."""
    posterior, z = draw.posterior(images()), torch.linspace(-1, 1, 24).view(4, 6)
    nll, image = draw.negative_log_likelihood(images(), z), draw.decode(z)
    found = [float(of) for of in (nll[0], posterior.mu[1, 3], posterior.sigma[2, 5], image[3, 0, 2, 1])]
    assert found == pytest.approx(expected, rel=1e-4)


def test_condition_and_kinds_of_decoding_are_refused() -> None:
    model, labels, z = Draw(**TINY), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 6)
    calls = (
        lambda: model(images(), labels),
        lambda: model.infer(images(), labels),
        lambda: model.posterior(images(), labels),
        lambda: model.decode(z, labels),
        lambda: model.negative_log_likelihood(images(), z, labels),
    )
    for call in calls:
        with pytest.raises(ValueError, match="a condition is given, but DRAW has none"):
            call()
    with pytest.raises(ValueError, match="leave out sampling_probability"):
        model(images(), sampling_probability=0.5)


@both
def test_wrong_shapes_are_refused(draw: Draw) -> None:
    with pytest.raises(ValueError, match=r"x: the shape is \(4, 30\); expected \(B, 1, 6, 5\)"):
        draw(images().flatten(1))
    with pytest.raises(ValueError, match=r"z: the shape is \(4, 2\); expected \(B, 6\)"):
        draw.decode(torch.zeros(4, 2))
