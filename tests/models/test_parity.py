"""Magenta's weights must give Magenta's numbers: tests/data/parity holds tiny checkpoints and what Magenta computed."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from musevae import MusicVAE
from musevae.magenta.conversion import import_magenta
from musevae.models.outputs import Categorical, DrumCategorical, MultiCategorical

PARITY = Path(__file__).parents[1] / "data" / "parity"
TOLERANCE = 1e-5


class Case(NamedTuple):
    """An imported model, and Magenta's arrays."""

    vae: MusicVAE
    magenta: dict[str, Tensor]

    def events(self, name: str) -> Tensor:
        """An array of one-hot vectors, bits or numbers as the model's events."""
        array, output = self.magenta[name], self.vae.output
        if isinstance(output, MultiCategorical):
            return torch.stack([part.argmax(-1) for part in array.split(output.classes, dim=-1)], dim=-1)
        return array.argmax(-1) if isinstance(output, Categorical) else array

    def logits(self, events: Tensor, control: Tensor | None) -> Tensor:
        logits = self.vae.logits(events, self.magenta["z"], control)
        return logits if isinstance(logits, Tensor) else torch.cat(logits, dim=-1)


@pytest.fixture(scope="module", params=sorted(path.parent.name for path in PARITY.glob("*/io.npz")))
def case(request: pytest.FixtureRequest) -> Case:
    folder = PARITY / request.param
    with np.load(folder / "io.npz") as arrays:
        magenta = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    vae = import_magenta(folder)
    assert vae.config.preset == request.param
    return Case(vae, magenta)


def assert_near(ours: Tensor, magenta: Tensor, atol: float = TOLERANCE) -> None:
    torch.testing.assert_close(ours, magenta, atol=atol, rtol=0)


def test_there_is_a_fixture_of_every_architecture() -> None:
    assert len(list(PARITY.glob("*/io.npz"))) == 8


@torch.no_grad()
def test_posterior_is_magentas(case: Case) -> None:
    magenta, events = case.magenta, case.events("target")
    if isinstance(case.vae.output, DrumCategorical):
        torch.testing.assert_close(case.vae.output.inputs(events), magenta["input"].float())
    posterior = case.vae.posterior(events, magenta.get("control"))
    assert_near(posterior.mu, magenta["mu"])
    assert_near(posterior.sigma, magenta["sigma"])
    assert_near(posterior.kl(), magenta["kl"])


@torch.no_grad()
def test_teacher_forced_logits_and_reconstruction_are_magentas(case: Case) -> None:
    magenta, events, control = case.magenta, case.events("target"), case.magenta.get("control")
    assert_near(case.logits(events, control), magenta["tf_logits"])
    nll = case.vae.decoder.negative_log_likelihood(case.vae.logits(events, magenta["z"], control), events)
    assert_near(nll, magenta["r_loss"], atol=1e-6 * float(magenta["r_loss"].max()))


@torch.no_grad()
def test_greedy_decoding_is_magentas(case: Case) -> None:
    """Where greedy events are equal, the logits of the free run are those of their teacher-forced reading."""
    magenta, control = case.magenta, case.magenta.get("control")
    if control is not None:
        control = control[:1].expand_as(control)  # what Magenta gave all rows
    events = case.vae.decode(magenta["z"], temperature=0, control=control)
    if case.vae.output.floating:
        hits = events.shape[-1] // 3
        assert torch.equal(events[..., :hits], magenta["greedy"][..., :hits])
        assert_near(events, magenta["greedy"])
    else:
        assert torch.equal(events, case.events("greedy").long())
    assert_near(case.logits(events, control), magenta["greedy_logits"])
