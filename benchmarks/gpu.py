"""What one GPU does: training and sampling of Magenta's architectures, against the matrix rate of the same run.

    python benchmarks/gpu.py [-o FOLDER]

In less than eight minutes on an H200. Prints tables in Markdown; with -o, gpu.md and gpu.json are written as well.
FLOPs are counted as `musevae train --dry-run` counts them. Without a GPU it says so and claims nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Generator, Tensor
from torch.profiler import ProfilerActivity, profile

from musevae import MusicVAE, presets
from musevae.models import decoders
from musevae.models.decoders import TEACHER_FORCING, ScheduledSampling
from musevae.models.lstm import cudnn_has_bfloat16
from musevae.training.cost import cost
from musevae.training.device import torch_device

BUDGET_SECONDS = 400.0  # what would begin later is left out
SECONDS = 8.0  # of each measurement
PEAK_SIZES = (4096, 8192, 16384)  # of the matrices
ROWS = 15  # of the profiler's table
TARGETS = """\
Targets on an H200: cat-mel_2bar_big and hierdec-mel_16bar train at 40 % of the bf16 matrix rate at batch 512,
cat-mel_2bar_small at 100,000 examples/s; cat-mel_2bar_big samples at 20,000/s at batch 4096; hierdec-trio_16bar trains
in 24 GB at batch 256."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Measurement:
    """What is to be measured: calls of what `make` makes for a device, with FLOPs counted for each example."""

    what: str
    batch: int
    flops: int
    make: Callable[[torch.device], Call]


@dataclass(frozen=True)
class Figure:
    """What was measured."""

    what: str
    per_second: float  # examples or sequences
    tflops: float  # achieved, by counted FLOPs
    of_peak: float  # their share of the bf16 matrix rate
    memory_gb: float  # of tensors, at most


def training(preset: str, batch: int, sampling: ScheduledSampling = TEACHER_FORCING) -> Measurement:
    """Whole steps; of scheduled sampling the passes that draw are not counted."""
    flops = sum(cost(presets.preset(preset)).flops.values())
    what = f"train {preset}, batch {batch}" + (f", {how(sampling)}" if sampling.probability else "")
    return Measurement(what, batch, flops, partial(training_step, preset, batch, sampling))


def how(sampling: ScheduledSampling) -> str:
    """In words, how inputs are drawn."""
    return f"{sampling.passes} pass of draws" if sampling.passes else "draws step by step"


def sampling(preset: str, batch: int, *, graph: bool = True) -> Measurement:
    """Free running, with or without CUDA graphs."""
    layers = cost(presets.preset(preset)).layers
    flops = sum(layer.flops for layer in layers if layer.name.startswith("decoder."))
    what = f"sample {preset}, batch {batch}" + ("" if graph else ", no CUDA graph")
    return Measurement(what, batch, flops, partial(decoding, preset, batch, graph))


def training_step(preset: str, batch: int, sampling: ScheduledSampling, device: torch.device) -> Call:
    """A step as the trainer takes it: bf16 where autocast says so, clipping, fused Adam; on random events."""
    vae = MusicVAE.from_preset(preset).to(device).train()
    parameters = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer, draw = torch.optim.Adam(parameters, 1e-3, fused=True), Generator(device)
    limits = torch.tensor(vae.output.limits, device=device)
    events = (torch.rand(batch, vae.steps, *vae.output.shape, device=device) * limits).long()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            elbo = vae(events, generator=draw, sampling=sampling)
        elbo.loss(beta=0.1).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def decoding(preset: str, batch: int, graph: bool, device: torch.device) -> Call:
    """Free running at temperature 0.5."""
    vae, draw = MusicVAE.from_preset(preset).to(device).eval(), Generator(device)
    z = torch.randn(batch, vae.z_size, device=device)

    def launched() -> Tensor:
        with patch.object(decoders, "recorded", lambda step, *_: step):
            return vae.decode(z, 0.5, draw)

    return partial(vae.decode, z, 0.5, draw) if graph else launched


PLAN: tuple[Callable[[], Measurement], ...] = (
    partial(training, "cat-mel_2bar_big", 512),
    partial(training, "hierdec-mel_16bar", 512),
    partial(training, "hierdec-trio_16bar", 256),
    partial(sampling, "cat-mel_2bar_big", 4096),
    *(partial(training, "cat-mel_2bar_small", batch) for batch in (512, 2048, 8192, 32768)),
    *(partial(training, "cat-mel_2bar_big", 512, ScheduledSampling(0.5, passes)) for passes in (1, 0)),
    partial(sampling, "hierdec-mel_16bar", 512),
    partial(sampling, "cat-mel_2bar_small", 8),
    partial(sampling, "cat-mel_2bar_small", 8, graph=False),
)
PROFILED = PLAN[0]


def seconds_a_call(call: Call, seconds: float = SECONDS) -> float:
    """Mean time of a call, after two to warm up, the second of which tells how many there may be."""

    def timed(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(1)
    calls = max(1, int(seconds / timed(1)))
    return timed(calls) / calls


def peak_tflops(device: torch.device) -> float:
    """The best rate of bf16 matrix products."""

    def rate(n: int) -> float:
        a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in "ab")
        return 2 * n**3 / seconds_a_call(lambda: a @ b, 1.0) / 1e12

    return max(map(rate, PEAK_SIZES))


def measured(plan: Measurement, device: torch.device, peak: float) -> Figure | str:
    """The figure, or why there is none."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        rate = plan.batch / seconds_a_call(plan.make(device))
    except torch.OutOfMemoryError:
        return f"{plan.what}: out of memory"
    tflops = rate * plan.flops / 1e12
    return Figure(plan.what, rate, tflops, tflops / peak, torch.cuda.max_memory_allocated(device) / 1e9)


def all_measured(device: torch.device, peak: float) -> list[Figure | str]:
    """As many of the PLAN as the time allows."""
    start, found = time.perf_counter(), list[Figure | str]()
    for plan in (make() for make in PLAN):
        late = time.perf_counter() - start > BUDGET_SECONDS
        found.append(f"{plan.what}: left out, the time is up" if late else measured(plan, device, peak))
    return found


def where_the_time_goes(device: torch.device, steps: int = 3) -> str:
    """The profiler's table of some calls."""
    call = PROFILED().make(device)
    call()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as watched:
        for _ in range(steps):
            call()
        torch.cuda.synchronize()
    return watched.key_averages().table(sort_by="self_cuda_time_total", row_limit=ROWS, max_name_column_width=60)


def libraries() -> str:
    """What does the work."""
    bf16 = cudnn_has_bfloat16(torch.device("cuda"))
    return f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()} (LSTM in bf16: {bf16})"


def markdown(machine: str, peak: float, found: list[Figure | str], table: str) -> str:
    """The report."""
    lines = [f"# {machine}", "", f"bf16 matrix rate {peak:.0f} TFLOP/s, {libraries()}", "", TARGETS, ""]
    lines += ["| | a second | TFLOP/s | of the matrix rate | GB |", "|---|---|---|---|---|"]
    for row in found:
        if isinstance(row, Figure):
            numbers = f"{row.per_second:,.0f} | {row.tflops:.1f} | {row.of_peak:.1%} | {row.memory_gb:.1f}"
            lines.append(f"| {row.what} | {numbers} |")
    lines += ["", *(row for row in found if isinstance(row, str))]
    return "\n".join([*lines, "", f"Where the time goes: {PROFILED().what}", "", "```", table.rstrip(), "```", ""])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="folder for gpu.md and gpu.json")
    folder: Path | None = parser.parse_args().output
    if not torch.cuda.is_available():
        print("there is no GPU here: nothing was measured")
        return
    device = torch_device("cuda")
    peak, machine = peak_tflops(device), torch.cuda.get_device_name(device)
    found = all_measured(device, peak)
    report = markdown(machine, peak, found, where_the_time_goes(device))
    print(report)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu.md").write_text(report, encoding="utf-8")
        rows = [row if isinstance(row, str) else asdict(row) for row in found]
        content = {"machine": machine, "torch": torch.__version__, "bf16_tflops": peak, "figures": rows}
        (folder / "gpu.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
