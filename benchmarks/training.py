"""Training speed on this machine: examples per second of whole steps (forward, backward, clipping, Adam), per preset.

    python benchmarks/training.py [--presets melody-2bar cat-mel_2bar_small] [--batch 64] [--threads 2]

Magenta trains cat-mel_2bar_small at 224 examples/s on two free cores of 267 GFLOP/s (batch 512, TensorFlow 2.21). With
one thread, time is that of the CPU, so that what else runs on the machine counts for less.
"""

from __future__ import annotations

import argparse
import json

import torch
from sampling import rate, sgemm_gflops

from musevae import MusicVAE
from musevae.training.allocation import keep_freed_memory


def examples_per_second(preset: str, batch: int) -> float:
    """Whole training steps on random events."""
    vae = MusicVAE.from_preset(preset).train()
    parameters = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-3, fused=True)
    events = torch.randint(vae.output.size, (batch, vae.steps))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        vae(events).loss(beta=0.1).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return rate(step, 10.0) * batch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["melody-2bar", "cat-mel_2bar_small"])
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `musevae train` does
    figures = {
        f"{preset} batch {batch}": round(examples_per_second(preset, batch), 1)
        for preset in options.presets
        for batch in options.batch
    }
    print(json.dumps({"threads": options.threads, "sgemm_gflops": round(sgemm_gflops(), 1), **figures}, indent=2))


if __name__ == "__main__":
    main()
