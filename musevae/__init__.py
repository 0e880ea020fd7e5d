"""musevae: MusicVAE in PyTorch. `import musevae` loads no torch; names are resolved at first use (PEP 562)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musevae.latent import slerp as slerp
    from musevae.magenta.conversion import import_magenta as import_magenta
    from musevae.models.elbo import Elbo as Elbo
    from musevae.models.gaussian import DiagonalGaussian as DiagonalGaussian
    from musevae.music.drums import DrumsRepresentation as DrumsRepresentation
    from musevae.music.melody import MelodyRepresentation as MelodyRepresentation
    from musevae.music.midi import MidiError as MidiError
    from musevae.music.midi import read_midi as read_midi
    from musevae.music.midi import write_midi as write_midi
    from musevae.music.note_sequence import NoteSequence as NoteSequence
    from musevae.music.trio import TrioRepresentation as TrioRepresentation
    from musevae.pretrained import list_models as list_models
    from musevae.pretrained import load as load
    from musevae.trained_model import TrainedModel as TrainedModel
    from musevae.training.datasets import open_dataset as open_dataset
    from musevae.training.run import train as train
    from musevae.vaes import MusicVAE as MusicVAE

_HOMES = {  # public name -> module that defines it
    "DiagonalGaussian": "musevae.models.gaussian",
    "DrumsRepresentation": "musevae.music.drums",
    "Elbo": "musevae.models.elbo",
    "MelodyRepresentation": "musevae.music.melody",
    "MidiError": "musevae.music.midi",
    "MusicVAE": "musevae.vaes",
    "NoteSequence": "musevae.music.note_sequence",
    "TrainedModel": "musevae.trained_model",
    "TrioRepresentation": "musevae.music.trio",
    "import_magenta": "musevae.magenta.conversion",
    "list_models": "musevae.pretrained",
    "load": "musevae.pretrained",
    "open_dataset": "musevae.training.datasets",
    "read_midi": "musevae.music.midi",
    "slerp": "musevae.latent",
    "train": "musevae.training.run",
    "write_midi": "musevae.music.midi",
}

__all__ = [*_HOMES, "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'musevae' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
