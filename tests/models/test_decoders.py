from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from musevae.models.decoders import LstmDecoder, ScheduledSampling, SplitDecoder
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.outputs import Categorical, MultiCategorical, sample
from musevae.models.stepping import Stepper
from tests.models.conftest import Fill

V, Z, T, B = 7, 3, 12, 4  # classes, latent size, steps, batch
Decoder = LstmDecoder | HierarchicalLstmDecoder


def flat(control_size: int = 0) -> LstmDecoder:
    return LstmDecoder(Categorical(V), [6, 5], Z, control_size=control_size)


def hierarchical(control_size: int = 0, segments: int = 3) -> HierarchicalLstmDecoder:
    return HierarchicalLstmDecoder(
        LstmDecoder(Categorical(V), [6, 5], 4, control_size=control_size), [5, 4], Z, segments
    )


def independent() -> HierarchicalLstmDecoder:
    return HierarchicalLstmDecoder(LstmDecoder(Categorical(V), [6, 5], 4), [5, 4], Z, 3, independent=True)


def scrambled(decoder: Decoder) -> Decoder:
    """The decoder with large random weights: an untrained one hardly heeds z."""
    draw = seed(0)
    for parameter in decoder.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, generator=draw)
    return decoder


@pytest.fixture(params=[flat, hierarchical, independent])
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return scrambled(request.param())


@pytest.fixture
def z() -> Tensor:
    return torch.randn(B, Z, generator=seed(1))


@pytest.fixture
def events() -> Tensor:
    return torch.randint(0, V, (B, T), generator=seed(2))


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def stepwise_logits(decoder: LstmDecoder, events: Tensor, z: Tensor, control: Tensor | None = None) -> Tensor:
    """The logits (B, T, V) of one segment from z (B, Z), step by step, as free running computes them."""
    stepper = Stepper(decoder.stack, decoder.projection, V, z.unsqueeze(1))
    stepper.start(0)
    previous = [torch.full((len(z),), V), *events.unbind(1)]
    steps = [stepper.step(previous[t], None if control is None else control[:, t]) for t in range(events.shape[1])]
    return torch.stack(steps, dim=1)


@torch.no_grad()
def test_teacher_forcing_is_free_running_fed_with_the_same_events(events: Tensor, z: Tensor) -> None:
    decoder, control = flat(control_size=2), torch.rand(B, T, 2, generator=seed(3))
    scrambled(decoder)
    expected = stepwise_logits(decoder, events, z, control)
    torch.testing.assert_close(decoder.logits(events, z, control), expected)


def test_greedy_events_are_the_argmax_of_their_own_logits(decoder: Decoder, z: Tensor) -> None:
    events = decoder.decode(z, T, temperature=0)
    assert len(events.unique()) > 1
    assert torch.equal(decoder.logits(events, z).argmax(-1), events)


@pytest.mark.parametrize("make", [flat, hierarchical])
def test_control_reaches_every_step_of_both_ways(make: Callable[[int], Decoder], z: Tensor) -> None:
    decoder, control = make(2), torch.rand(B, T, 2, generator=seed(3)) * 5
    scrambled(decoder)
    events = decoder.decode(z, T, 0, control=control)
    assert torch.equal(decoder.logits(events, z, control).argmax(-1), events)
    later = control.clone()
    later[:, 7:] += 1
    change = (decoder.logits(events, z, later) - decoder.logits(events, z, control)).abs().amax((0, 2))
    assert not change[:7].any()
    assert change[7:].all()


def test_logits_depend_on_earlier_events_only(decoder: Decoder, events: Tensor, z: Tensor) -> None:
    changed = events.clone()
    changed[:, 5] = (changed[:, 5] + 1) % V
    change = (decoder.logits(changed, z) - decoder.logits(events, z)).abs().amax((0, 2))
    assert not change[:6].any()
    assert change[6] > 0


def test_same_seed_same_events(decoder: Decoder, z: Tensor) -> None:
    first, second, other = (decoder.decode(z, T, 1.0, seed(n)) for n in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_decoded_events_can_be_trained_on(decoder: Decoder, z: Tensor) -> None:
    decoder.logits(decoder.decode(z, T), z).logsumexp(-1).sum().backward()


def test_scheduled_sampling_with_probability_0_is_teacher_forcing(decoder: Decoder, events: Tensor, z: Tensor) -> None:
    assert torch.equal(decoder.logits(events, z, sampling=ScheduledSampling(0.0)), decoder.logits(events, z))


def test_scheduled_sampling_with_probability_1_is_free_running(decoder: Decoder, events: Tensor, z: Tensor) -> None:
    logits = decoder.logits(events, z, sampling=ScheduledSampling(1.0), generator=seed(5))
    draw = seed(5)
    torch.rand(B, T, generator=draw)  # the coins come first
    torch.testing.assert_close(logits, decoder.logits(decoder.decode(z, T, 1.0, draw), z))


@pytest.mark.parametrize("passes", [1, 2])
def test_passes_of_scheduled_sampling_draw_at_all_steps_at_once(
    decoder: Decoder, events: Tensor, z: Tensor, passes: int
) -> None:
    """With probability 1, each pass draws every event given those of the pass before."""
    logits = decoder.logits(events, z, sampling=ScheduledSampling(1.0, passes), generator=seed(5))
    draw = seed(5)
    torch.rand(B, T, generator=draw)  # the coins come first
    for _ in range(passes):
        events = sample(decoder.logits(events, z).flatten(0, 1), 1.0, draw).view(B, T)
    torch.testing.assert_close(logits, decoder.logits(events, z))


def test_as_many_passes_as_steps_are_scheduled_sampling_step_by_step(
    decoder: Decoder, events: Tensor, z: Tensor
) -> None:
    """Where logits leave no choice, so that all draws are alike."""
    core = decoder if isinstance(decoder, LstmDecoder) else decoder.core
    core.projection.weight.data *= 1e6
    exact, passes = (
        decoder.logits(events, z, sampling=ScheduledSampling(0.5, passes), generator=seed(5)) for passes in (0, T)
    )
    torch.testing.assert_close(passes, exact)


def test_scheduled_sampling_tosses_a_coin_for_each_example_and_step() -> None:
    decoder = flat()
    decoder.projection.bias.data[3] = 100.0  # always draws 3
    truth, z = torch.ones(500, T, dtype=torch.int64), torch.zeros(500, Z)
    mixed = decoder._mix(truth, decoder._kept(truth, 0.25, seed(0)), z, None, None)
    drawn = mixed == 3
    assert torch.equal(mixed[~drawn], truth[~drawn])
    assert float(drawn.double().mean()) == pytest.approx(0.25, abs=0.02)
    assert 0 < float(drawn.double().mean(0).min()) <= float(drawn.double().mean(0).max()) < 0.4
    assert len(drawn.unique(dim=0)) > 100


def test_gradients_flow_through_the_logits_of_scheduled_sampling(decoder: Decoder, events: Tensor, z: Tensor) -> None:
    z.requires_grad_()
    decoder.logits(events, z, sampling=ScheduledSampling(0.5), generator=seed(0)).sum().backward()
    assert z.grad is not None
    assert z.grad.abs().min() > 0


@torch.no_grad()
def test_hierarchical_decoder_of_one_segment_is_the_flat_decoder_of_the_embedding(events: Tensor, z: Tensor) -> None:
    decoder = hierarchical(segments=1)
    scrambled(decoder)
    embedding = decoder.embeddings(z)[:, 0]
    torch.testing.assert_close(decoder.logits(events, z), decoder.core.logits(events, embedding))
    torch.testing.assert_close(decoder.logits(events, z), stepwise_logits(decoder.core, events, embedding))
    assert torch.equal(decoder.decode(z, T, 1.0, seed(0)), decoder.core.decode(embedding, T, 1.0, seed(0)))


@torch.no_grad()
def test_conductor_runs_on_across_segments(z: Tensor) -> None:
    """Its first embeddings do not depend on how many follow, and differ from one another."""
    short, long = hierarchical(segments=2), hierarchical(segments=5)
    scrambled(short)
    scrambled(long)
    torch.testing.assert_close(short.embeddings(z), long.embeddings(z)[:, :2])
    assert (short.embeddings(z)[:, 0] - short.embeddings(z)[:, 1]).abs().min() > 1e-4


def test_state_starts_anew_in_each_segment_but_the_event_before_is_seen(events: Tensor, z: Tensor) -> None:
    decoder = hierarchical()  # segments start at steps 0, 4 and 8
    scrambled(decoder)
    changed = events.clone()
    changed[:, :3] = (changed[:, :3] + 1) % V
    change = (decoder.logits(changed, z) - decoder.logits(events, z)).abs().amax((0, 2))
    assert change[1:4].all()
    assert not change[4:].any()
    changed[:, 3] = (changed[:, 3] + 1) % V
    assert (decoder.logits(changed, z) - decoder.logits(events, z)).abs().amax((0, 2))[4] > 0


@torch.no_grad()
def test_independent_segments_are_the_core_applied_to_each_alone(events: Tensor, z: Tensor) -> None:
    decoder = independent()
    scrambled(decoder)
    embeddings, parts = decoder.embeddings(z).unbind(1), events.chunk(3, dim=1)
    alone = [decoder.core.logits(part, embedding) for part, embedding in zip(parts, embeddings, strict=True)]
    torch.testing.assert_close(decoder.logits(events, z), torch.cat(alone, dim=1))
    greedy = torch.cat([decoder.core.decode(embedding, T // 3, 0) for embedding in embeddings], dim=1)
    assert torch.equal(decoder.decode(z, T, 0), greedy)


@torch.no_grad()
def test_independent_segments_of_several_classes_and_with_a_control(z: Tensor) -> None:
    parts = [LstmDecoder(Categorical(n), [6], 4, control_size=2) for n in (3, V)]
    decoder = HierarchicalLstmDecoder(SplitDecoder(MultiCategorical([3, V]), parts), [4], Z, 3, independent=True)
    scrambled(decoder)
    control = torch.rand(B, T, 2, generator=seed(3)) * 5
    events = decoder.decode(z, T, 0, control=control)
    assert events.shape == (B, T, 2)
    assert torch.equal(decoder.most_probable(decoder.logits(events, z, control)), events)


def test_steps_must_fall_into_equal_segments(events: Tensor, z: Tensor) -> None:
    with pytest.raises(ValueError, match="12 steps do not fall into 5 equal segments"):
        hierarchical(segments=5).logits(events, z)


def test_dropout_acts_on_inputs_in_training_only(events: Tensor, z: Tensor) -> None:
    decoder = LstmDecoder(Categorical(V), [6, 5], Z, dropout=0.7)
    assert not torch.equal(decoder.logits(events, z), decoder.logits(events, z))
    decoder.eval()
    assert torch.equal(decoder.logits(events, z), decoder.logits(events, z))


def test_initial_weights_are_magentas() -> None:
    """Glorot uniform over the fused matrix, forget bias 1 and once, tiny map from z to the initial state."""
    decoder = LstmDecoder(Categorical(90), [256], 128)
    w_ih, w_hh, b_ih, b_hh = (parameter.detach() for parameter in decoder.stack.layers[0].all_weights[0])
    limit = (6 / (90 + 128 + 256 + 4 * 256)) ** 0.5
    for weight in (w_ih, w_hh):
        assert 0.99 * limit < float(weight.abs().max()) <= limit
    assert b_ih.view(4, 256).mean(1).tolist() == [0.0, 1.0, 0.0, 0.0]
    assert not decoder.stack.layers[0].bias_hh_l0.requires_grad
    assert not b_hh.any()
    assert float(decoder.stack.initial_state.weight.detach().std()) == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize(
    ("decoder", "expected"),
    [
        (flat(), [0.4000119, -0.2991147, -0.2001658, 0.3002221, -0.2192244, 0.3278817]),
        (hierarchical(), [-0.7277596, -0.5469882, -0.9119469, -0.3310831, -0.9541528, -0.2501806]),
    ],
    ids=["flat", "hierarchical"],
)
def test_fixed_weights_give_frozen_numbers(decoder: nn.Module, expected: list[float], fill: Fill) -> None:
    fill(decoder)
    assert isinstance(decoder, Decoder)
    logits = decoder.logits(torch.arange(T).remainder(V).unsqueeze(0), torch.tensor([[0.5, -1.0, 2.0]]))
    torch.testing.assert_close(logits[0, [0, 5, 11], :2].flatten(), torch.tensor(expected), atol=1e-6, rtol=0)


def test_large_batches_stored_the_other_way_round_decode_to_the_same() -> None:
    torch.manual_seed(0)
    decoder, z = LstmDecoder(Categorical(6), [16, 8], 4), torch.randn(48, 4) * 3
    in_parts = [decoder.decode(part, 12, temperature=0) for part in z.split(16)]
    assert torch.equal(decoder.decode(z, 12, temperature=0), torch.cat(in_parts))
