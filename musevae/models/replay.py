"""A step of decoding as one CUDA graph: of its many small kernels none is launched by itself any more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

WARM_UPS = 2  # calls before recording, in which libraries set up their workspaces

Step = Callable[[], Tensor]


def recorded(step: Step, device: torch.device, generator: Generator | None = None) -> Step:
    """A step that plays what `step` does on a GPU again, in one launch; anywhere else `step` itself.

    All tensors that the step reads and writes must stay where they are; its result is overwritten by the next. To
    record it, it is called a few times: the caller sets its state afterwards. The numbers that a generator gives do not
    depend on that; one on the CPU, or a step that no graph can hold, leaves the step as it is.
    """
    if device.type != "cuda" or (generator is not None and generator.device.type != "cuda"):
        return step
    draws = torch.cuda.default_generators[device.index or 0] if generator is None else generator
    before = draws.get_state()
    try:
        graph, result = record(step, generator)
    except RuntimeError:  # what a graph cannot hold: a step that waits for the device, say
        return step
    finally:
        draws.set_state(before)

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def record(step: Step, generator: Generator | None) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """A graph of the step, and where it leaves its result; RuntimeError where there can be none."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    if generator is not None:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        result = step()
    return graph, result
