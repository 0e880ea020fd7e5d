"""On a CUDA device: the same figures as on the CPU, and training in mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from musevae import train
from musevae.config import Config
from musevae.models import decoders
from musevae.models.draw import Draw
from musevae.models.likelihoods import Bernoulli
from musevae.models.replay import recorded
from musevae.vaes import MusicVAE, load_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """Of matrix products, which training on this device, in an earlier test, may have made TF32's."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("preset", ["melody-2bar", "melody-16bar"])
def test_figures_on_the_gpu_are_those_of_the_cpu(preset: str) -> None:
    torch.manual_seed(0)
    cpu = MusicVAE.from_preset(preset).eval()
    events = torch.randint(cpu.output.size, (4, cpu.steps))
    with torch.inference_mode():
        mu = cpu.posterior(events).mu
        logits, greedy = cpu.logits(events, mu), cpu.decode(mu, temperature=0.0)
        gpu = cpu.cuda()
        torch.testing.assert_close(gpu.posterior(events.cuda()).mu.cpu(), mu, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(gpu.logits(events.cuda(), mu.cuda()).cpu(), logits, atol=1e-3, rtol=1e-3)
        assert (gpu.decode(mu.cuda(), temperature=0.0).cpu() == greedy).float().mean() > 0.99


@pytest.mark.parametrize("attention", [None, (2, 5)])
def test_draw_on_the_gpu_has_the_elbo_of_the_cpu(attention: tuple[int, int] | None) -> None:
    """With noise from one CPU's generator; in mixed precision, up to its rounding."""
    torch.manual_seed(0)
    draw = Draw(shape=(1, 28, 28), likelihood=Bernoulli(), glimpses=10, z_size=10, hidden_size=64, attention=attention)
    x = torch.rand(4, 1, 28, 28).round()
    expected = draw(x, generator=torch.Generator().manual_seed(1)).nelbo
    found = draw.cuda()(x.cuda(), generator=torch.Generator().manual_seed(1)).nelbo
    torch.testing.assert_close(found.cpu(), expected, atol=1e-2, rtol=1e-4)
    with torch.autocast("cuda", torch.bfloat16):
        mixed = draw(x.cuda(), generator=torch.Generator().manual_seed(1)).nelbo
    torch.testing.assert_close(mixed, found, atol=1, rtol=0.01)
    mixed.mean().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in draw.parameters())


@pytest.mark.parametrize("preset", ["melody-2bar", "drums-2bar", "trio-16bar"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_recorded_steps_decode_as_launched_ones(
    preset: str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    vae = MusicVAE.from_preset(preset).cuda().eval()
    z = torch.randn(4, vae.z_size, device="cuda") * 3
    replayed, again = (vae.decode(z, temperature, torch.Generator("cuda").manual_seed(1)) for _ in "ab")
    assert torch.equal(replayed, again)
    monkeypatch.setattr(decoders, "recorded", lambda step, *_: step)
    launched = vae.decode(z, temperature, torch.Generator("cuda").manual_seed(1))
    assert (replayed == launched).double().mean() > 0.99


def test_steps_are_recorded_where_the_generator_lets_them() -> None:
    x = torch.zeros(3, device="cuda")

    def step() -> torch.Tensor:
        return x.add_(1)

    assert recorded(step, x.device, torch.Generator()) is step
    replay = recorded(step, x.device)
    assert replay is not step
    x.zero_()
    assert [float(replay()[0]) for _ in range(3)] == [1, 2, 3]


def test_step_that_no_graph_holds_is_left_as_it_is() -> None:
    x = torch.ones(3, device="cuda")

    def step() -> torch.Tensor:
        return x * float(x.sum())

    with pytest.warns(UserWarning, match="cannot be recorded"):
        assert recorded(step, x.device) is step
    assert float((x + 1).sum()) == 6  # the device is none the worse for it


def test_run_on_the_gpu_can_be_resumed_and_read_anywhere(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "run", device="cuda", steps=4)
    result = train(tiny, dataset, tmp_path / "run", device="cuda", resume=True)
    assert result.finished
    assert next(load_model(tmp_path / "run").parameters()).device.type == "cpu"
