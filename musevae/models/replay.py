"""A step of decoding as one CUDA graph: of its many small kernels none is launched by itself any more."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Generator, Tensor

WARM_UPS = 2  # calls before recording, in which libraries set up their workspaces

Step = Callable[[], Tensor]


def recorded(step: Step, device: torch.device, generator: Generator | None = None) -> Step:
    """A step that plays what `step` does on a GPU again, in one launch; anywhere else `step` itself.

    All tensors that the step reads and writes must stay where they are; its result is overwritten by the next. To
    record it, it is called a few times: the caller sets its state afterwards. The numbers that a generator gives do not
    depend on that; one on the CPU leaves the step as it is, and so, with a warning, does a step that no graph can hold.
    """
    if device.type != "cuda" or (generator is not None and generator.device.type != "cuda"):
        return step
    with torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):  # come back to, after errors
        draws = torch.cuda.default_generators[torch.cuda.current_device()] if generator is None else generator
        before = draws.get_state()
        try:
            graph, result = record(step, generator, aside(torch.cuda.current_device()))
        except RuntimeError as error:  # a step that waits for the device, say
            warnings.warn(
                f"decoding is slower than it could be, for its step cannot be recorded: {error}", stacklevel=2
            )
            return step
        finally:
            draws.set_state(before)

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


@cache
def aside(device: int) -> torch.cuda.Stream:
    """The stream of a device on which steps are recorded: one for all, as libraries keep a workspace for each."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def record(step: Step, generator: Generator | None, stream: torch.cuda.Stream) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """A graph of the step, and where it leaves its result; RuntimeError where there can be none."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    if generator is not None:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, stream=stream):
        result = step()
    return graph, result
