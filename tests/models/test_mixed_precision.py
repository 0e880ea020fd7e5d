"""Training and decoding as on a GPU, under autocast to 16 bits; all but cuDNN's part of it can be seen on a CPU."""

from typing import Any

import pytest
import torch
from torch import Tensor

from musevae.models import decoders, lstm
from musevae.models.decoders import ScheduledSampling
from musevae.models.encoders import BidirectionalLstmEncoder
from musevae.vaes import MusicVAE

SMALL: dict[str, Any] = {"z_size": 8, "encoder_sizes": (32,), "decoder_sizes": (32,)}
WITHOUT_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT_GPU])])
presets = pytest.mark.parametrize(
    "preset", ["melody-2bar", "drums-2bar", "nade-drums_2bar_reduced", "groovae_4bar", "hierdec-trio_16bar"]
)
PASSES = {"step by step": ScheduledSampling(0.5), "one pass": ScheduledSampling(0.5, passes=1)}


def made(preset: str, device: str) -> tuple[MusicVAE, Tensor]:
    """A model without dropout, and events of its kind."""
    torch.manual_seed(0)
    vae = MusicVAE.from_preset(preset, **SMALL).eval()
    events = torch.rand(4, vae.steps, *vae.output.shape) * torch.tensor(vae.output.limits or (1.0,))
    return vae.to(device), (events if vae.output.floating else events.long()).to(device)


def gradients(vae: MusicVAE, events: Tensor, **how: Any) -> Tensor:  # noqa: ANN401
    draw = torch.Generator(events.device).manual_seed(1)
    loss = vae(events, generator=draw, **how).loss(beta=0.1).mean()
    trained = [weight for weight in vae.parameters() if weight.requires_grad]
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, trained)])


@devices
@presets
def test_gradients_are_about_those_in_full(preset: str, device: str) -> None:
    vae, events = made(preset, device)
    full = gradients(vae, events)
    with torch.autocast(device, torch.bfloat16):
        mixed = gradients(vae, events)
    assert 0 < (mixed - full).norm() < 0.05 * full.norm()


@devices
@presets
def test_likelihood_is_taken_in_full(preset: str, device: str) -> None:
    """In 16 bits, a drum's chance of silence would be a multiple of 1/256: bundled drums were 0.3 nats off."""
    vae, events = made(preset, device)
    z = torch.randn(4, vae.z_size, device=device)
    logits = vae.logits(events, z)
    full = vae.decoder.negative_log_likelihood(logits, events)
    with torch.autocast(device, torch.bfloat16):
        assert torch.equal(vae.decoder.negative_log_likelihood(logits, events), full)


@devices
@presets
@pytest.mark.parametrize("sampling", PASSES.values(), ids=PASSES)
def test_every_weight_has_its_gradient_where_inputs_are_drawn(
    preset: str, sampling: ScheduledSampling, device: str
) -> None:
    """NADE's and GrooVAE's draws met weights of another dtype; releases before 2.10 kept casts without gradients."""
    vae, events = made(preset, device)
    with torch.autocast(device, torch.bfloat16):
        assert gradients(vae, events, sampling=sampling).isfinite().all()


def test_casts_made_without_gradients_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the release installed may not need; see above."""
    dropped: list[bool] = []
    monkeypatch.setattr(torch, "clear_autocast_cache", lambda: dropped.append(True))
    vae, events = made("melody-2bar", "cpu")
    with torch.autocast("cpu", torch.bfloat16):
        vae(events, sampling=ScheduledSampling(0.5, passes=1))
        assert len(dropped) == 1
        vae(events, samples=3, resampled=1)
        assert len(dropped) == 2


@devices
def test_packed_encoder_reads_in_full(device: str) -> None:
    """Autocast has cuDNN read packed sequences in float16, without asking for it."""
    torch.manual_seed(0)
    encoder = BidirectionalLstmEncoder(5, (6,)).to(device)
    x, lengths = torch.randn(3, 4, 5, device=device), torch.tensor([4, 1, 2], device=device)
    full = encoder(x, lengths)
    with torch.autocast(device, torch.bfloat16):
        assert torch.equal(encoder(x, lengths), full)


@devices
@presets
def test_decoding_is_that_in_full(preset: str, device: str) -> None:
    vae, _ = made(preset, device)
    z = torch.randn(4, vae.z_size, device=device)
    full = vae.decode(z, 0.0)
    with torch.autocast(device, torch.bfloat16):
        assert (vae.decode(z, 0.0).double() - full).abs().mean() < 0.01 * full.double().abs().mean() + 1e-6


def test_steps_are_recorded_in_decoding_and_not_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """To record one, a GPU's host waits for all that was launched: once for a tune, but not in every training step."""
    recorded: list[bool] = []

    def record(step: Any, *_: object) -> Any:  # noqa: ANN401
        recorded.append(True)
        return step

    monkeypatch.setattr(decoders, "recorded", record)
    vae, events = made("melody-2bar", "cpu")
    vae(events, sampling=ScheduledSampling(0.5))
    assert not recorded
    vae.decode(torch.zeros(1, vae.z_size))
    assert recorded == [True]


@pytest.mark.parametrize(
    ("torch_release", "cudnn", "card", "has"),
    [
        ("2.10.0", 91300, (8, 0), True),
        ("2.13.0+cu130", 91500, (9, 0), True),
        ("2.9.1", 91300, (9, 0), False),
        ("2.10.0+cu126", 91002, (9, 0), False),
        ("2.13.0+cu130", 91500, (7, 5), False),
    ],
)
def test_cudnn_has_16_bit_lstms_from_some_release_and_card_on(
    torch_release: str, cudnn: int, card: tuple[int, int], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", torch_release)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: card)
    assert lstm.cudnn_has_bfloat16.__wrapped__(torch.device("cuda", 0)) == has
