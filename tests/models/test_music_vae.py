import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from musevae.models.decoders import ScheduledSampling
from musevae.models.elbo import Elbo
from musevae.models.music_vae import MusicVAE
from musevae.models.nade import Nade
from musevae.models.outputs import (
    Categorical,
    DrumCategorical,
    Groove,
    MultiCategorical,
    Output,
    negative_log_likelihood,
)
from tests.models.conftest import CheckGradient

TINY: dict[str, Any] = {
    "steps": 8,
    "output": Categorical(6),
    "z_size": 3,
    "encoder_sizes": [5],
    "decoder_sizes": [4, 5],
}
HIERARCHICAL = {"encoder": "hierarchical", "decoder": "hierarchical", "segments": 2, "conductor_sizes": [7]}
both = pytest.mark.parametrize("architecture", [TINY, TINY | HIERARCHICAL], ids=["flat", "hierarchical"])


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def batch(rows: int = 4) -> Tensor:
    return torch.randint(0, 6, (rows, 8), generator=seed(0))


@both
def test_shapes_and_types(architecture: dict[str, Any]) -> None:
    vae = MusicVAE(**architecture)
    posterior, events = vae.posterior(batch()), vae.decode(torch.zeros(4, 3))
    assert posterior.mu.shape == posterior.sigma.shape == (4, 3)
    assert (events.shape, events.dtype) == ((4, 8), torch.int64)
    assert vae.logits(batch(), posterior.mu).shape == (4, 8, 6)
    elbo = vae(batch())
    assert (elbo.reconstruction.shape, elbo.kl_per_dim.shape) == ((4,), (4, 3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_events_may_be_of_any_integer_type(dtype: torch.dtype) -> None:
    vae = MusicVAE(**TINY)
    expected, compact = vae(batch(), generator=seed(1)), vae(batch().to(dtype), generator=seed(1))
    torch.testing.assert_close(compact.nelbo, expected.nelbo)


@both
def test_elbo_is_that_of_one_draw_from_the_posterior(architecture: dict[str, Any]) -> None:
    vae = MusicVAE(**architecture)
    posterior, elbo = vae.posterior(batch()), vae(batch(), generator=seed(1))
    z = posterior.sample(seed(1))
    torch.testing.assert_close(elbo.kl, posterior.kl())
    torch.testing.assert_close(elbo.reconstruction, negative_log_likelihood(vae.logits(batch(), z), batch()))


@both
def test_gradient_of_the_elbo_is_that_of_finite_differences(
    architecture: dict[str, Any], check_gradient: CheckGradient
) -> None:
    vae = MusicVAE(**architecture).double()

    def loss() -> Tensor:
        elbo: Elbo = vae(batch(), generator=seed(2))
        return elbo.loss(beta=0.5).mean()

    check_gradient(vae, loss)


@both
def test_one_batch_can_be_learnt_by_heart(architecture: dict[str, Any]) -> None:
    torch.manual_seed(0)
    sizes = {"z_size": 8, "encoder_sizes": [32], "decoder_sizes": [32], "conductor_sizes": [32]}
    vae, events, draw = MusicVAE(**architecture | sizes, informative_start=True), batch(), seed(1)
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        vae(events, generator=draw).loss(beta=0.001).mean().backward()
        optimizer.step()
    with torch.no_grad():
        mu = vae.posterior(events).mu
    assert torch.equal(vae.decode(mu, temperature=0), events)


def test_kl_as_the_only_loss_goes_to_zero() -> None:
    torch.manual_seed(0)
    vae = MusicVAE(**TINY)
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.02)
    before = float(vae(batch()).kl.detach().mean())
    for _ in range(60):
        optimizer.zero_grad()
        vae(batch()).kl.mean().backward()
        optimizer.step()
    assert float(vae(batch()).kl.detach().mean()) < 0.001 < 0.1 < before


def test_scheduled_sampling_changes_the_reconstruction_only() -> None:
    vae = MusicVAE(**TINY)
    forced, sampled = (vae(batch(), generator=seed(1), sampling=ScheduledSampling(p)) for p in (0.0, 1.0))
    torch.testing.assert_close(forced.kl, sampled.kl)
    assert not torch.equal(forced.reconstruction, sampled.reconstruction)


def test_control_enters_encoder_and_decoder() -> None:
    vae, control = MusicVAE(**TINY, control_size=2), torch.ones(4, 8, 2, dtype=torch.uint8)
    mu, none = vae.posterior(batch(), control).mu, torch.zeros_like(control)
    assert not torch.equal(mu, vae.posterior(batch(), none).mu)
    assert not torch.equal(vae.logits(batch(), mu, control), vae.logits(batch(), mu, none))
    assert vae.decode(mu, control=control).shape == (4, 8)


EVENTS, Z = torch.zeros(2, 8, dtype=torch.int64), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (EVENTS[:, :7], r"events: the shape is \(2, 7\); expected \(B, 8\)"),
        (EVENTS[0], r"events: the shape is \(8,\); expected \(B, 8\)"),
        (EVENTS.float(), "events are torch.float32; expected an integer dtype"),
    ],
)
def test_wrong_events_are_refused(events: Tensor, message: str) -> None:
    for use in (MusicVAE(**TINY).posterior, MusicVAE(**TINY)):
        with pytest.raises(ValueError, match=message):
            use(events)


def test_wrong_z_is_refused() -> None:
    vae = MusicVAE(**TINY)
    with pytest.raises(ValueError, match=r"z: the shape is \(2, 2\); expected \(B, 3\)"):
        vae.decode(Z[:, :2])
    with pytest.raises(ValueError, match=r"z: the shape is \(1, 3\); expected \(2, 3\)"):
        vae.logits(EVENTS, Z[:1])


def test_wrong_control_is_refused() -> None:
    with pytest.raises(ValueError, match="control is given, but control_size is 0"):
        MusicVAE(**TINY).posterior(EVENTS, torch.zeros(2, 8, 1))
    vae = MusicVAE(**TINY, control_size=2)
    with pytest.raises(ValueError, match="control is missing, but control_size is 2"):
        vae.decode(Z)
    with pytest.raises(ValueError, match=r"control: the shape is \(2, 8, 1\); expected \(2, 8, 2\)"):
        vae.decode(Z, control=torch.zeros(2, 8, 1))


@pytest.mark.parametrize("temperature", [-0.5, math.nan])
def test_wrong_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        MusicVAE(**TINY).decode(Z, temperature)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": "hierarchical"}, "segments is None"),
        ({"decoder": "hierarchical", "segments": 3}, "divides its 8 steps"),
        ({"encoder": "bidirektional"}, "encoder 'bidirektional'"),
    ],
)
def test_impossible_architectures_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MusicVAE(**TINY | change)


# Kinds of events, flat and hierarchical

KINDS: dict[str, tuple[Output, Tensor]] = {  # and events (4, 8, ...)
    "classes": (Categorical(6), batch()),
    "ending": (Categorical(7, ends=True), torch.tensor([[1, 2, 6, 7, 0, 5, 3, 6]] * 4)),
    "drums": (DrumCategorical(3), batch()),
    "bits": (Nade(3, hidden=5), torch.randint(0, 2, (4, 8, 3), generator=seed(0))),
    "trio": (MultiCategorical((6, 6, 4)), torch.randint(0, 4, (4, 8, 3), generator=seed(0))),
    "groove": (Groove(1), torch.rand(4, 8, 3, generator=seed(0)).round()),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def of(kind: str, architecture: dict[str, Any], **sizes: object) -> tuple[MusicVAE, Tensor]:
    """A model of that kind of events, and a batch of them."""
    output, events = KINDS[kind]
    torch.manual_seed(0)
    return MusicVAE(**architecture | {"output": copy.deepcopy(output)} | sizes), events


@kinds
@both
def test_all_kinds_of_events_have_one_interface(kind: str, architecture: dict[str, Any]) -> None:
    vae, events = of(kind, architecture)
    posterior = vae.posterior(events)
    logits, drawn = vae.logits(events, posterior.mu), vae.decode(posterior.mu, generator=seed(1))
    parts = [logits] if isinstance(logits, Tensor) else logits
    assert sum(part.shape[-1] for part in parts) == vae.output.size
    assert all(part.shape[:2] == (4, 8) for part in parts)
    assert drawn.shape == vae.decoder.most_probable(logits).shape == events.shape
    assert drawn.is_floating_point() == events.is_floating_point()
    assert vae.posterior(drawn).mu.shape == (4, 3)  # what it writes it can read


@kinds
@both
def test_every_weight_learns(kind: str, architecture: dict[str, Any]) -> None:
    vae, events = of(kind, architecture)
    vae(events, generator=seed(0)).loss().mean().backward()
    unlearning = [name for name, p in vae.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    dead = "decoder.conductor.layers.0.weight_ih_l0"  # its inputs are zeros, as Magenta's are
    assert set(unlearning) <= {dead}


@kinds
@both
def test_greedy_events_are_the_most_probable_given_themselves(kind: str, architecture: dict[str, Any]) -> None:
    vae, _ = of(kind, architecture)
    for parameter in vae.decoder.parameters():
        torch.nn.init.normal_(parameter, generator=seed(0))
    z = torch.randn(4, 3, generator=seed(2))
    with torch.no_grad():
        events = vae.decode(z, temperature=0)
        again = vae.decoder.most_probable(vae.logits(events, z))
    within = events < vae.output.size if vae.output.ends else torch.ones_like(events, dtype=torch.bool)
    torch.testing.assert_close(again[within], events[within])


@kinds
def test_scheduled_sampling_of_every_kind_changes_the_loss_and_repeats(kind: str) -> None:
    vae, events = of(kind, TINY)
    for parameter in vae.decoder.parameters():
        torch.nn.init.normal_(parameter, generator=seed(0))
    z = torch.zeros(4, 3)
    losses = [
        vae.decoder.negative_log_likelihood(
            vae.logits(events, z, sampling=ScheduledSampling(probability), generator=seed(1)), events
        )
        for probability in (0.0, 0.9, 0.9)
    ]
    assert not torch.equal(losses[0], losses[1])
    assert torch.equal(losses[1], losses[2])


@pytest.mark.parametrize("kind", ["bits", "trio"])
def test_one_batch_of_bits_or_trios_can_be_learnt(kind: str) -> None:
    sizes = {"z_size": 8, "encoder_sizes": [32], "decoder_sizes": [32]}
    vae, events = of(kind, TINY, **sizes, informative_start=True)
    optimizer, draw, losses = torch.optim.Adam(vae.parameters(), lr=0.02), seed(1), []
    for _ in range(150):
        optimizer.zero_grad()
        loss = vae(events, generator=draw).loss(beta=0.001).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("kind", ["classes", "ending", "drums", "bits", "trio"])
@pytest.mark.parametrize("wrong", [-1, 99])
def test_values_that_are_no_events_are_refused(kind: str, wrong: int) -> None:
    vae, events = of(kind, TINY)
    events = events.clone()
    events[0, 0] = wrong
    with pytest.raises(ValueError, match="they must be below"):
        vae.posterior(events)


def test_class_behind_the_last_is_an_event_only_where_segments_end() -> None:
    vae, events = of("classes", TINY)
    with pytest.raises(ValueError, match="they must be below"):
        vae(torch.full_like(events, 6))


def test_segment_without_even_an_end_is_refused() -> None:
    vae, events = of("ending", TINY | HIERARCHICAL)
    with pytest.raises(ValueError, match="a segment has no event"):
        vae.posterior(torch.full_like(events, 7))


@kinds
@both
def test_every_kind_works_in_double_precision(kind: str, architecture: dict[str, Any]) -> None:
    vae, events = of(kind, architecture)
    vae = vae.double()
    vae(events, generator=seed(0)).loss().mean().backward()
    assert vae.decode(torch.zeros(4, 3, dtype=torch.float64)).shape == events.shape


def test_segments_that_have_ended_stay_empty_and_are_not_read() -> None:
    vae, events = of("ending", TINY | HIERARCHICAL)
    drawn = vae.decode(torch.randn(64, 3, generator=seed(0)), generator=seed(1)).reshape(-1, 4)
    ended = (drawn == 6).cumsum(1) - (drawn == 6).int() > 0
    assert torch.equal(drawn == 7, ended)
    assert ended.any()
    tampered = events.clone()
    tampered[:, 3] = 7
    assert torch.equal(vae.posterior(events).mu, vae.posterior(tampered).mu)


@both
def test_model_without_an_encoder_decodes_only(architecture: dict[str, Any]) -> None:
    vae = MusicVAE(**architecture | {"encoder": "none"}, informative_start=True)
    assert not any(name.startswith(("encoder", "head")) for name in vae.state_dict())
    assert vae.decode(torch.zeros(4, 3)).shape == (4, 8)
    with pytest.raises(ValueError, match="this model decodes only"):
        vae.posterior(batch())
