"""From a pile of music files to a dataset of note-event tensors. Rules about notes are musevae.music's."""

from data_prep.prepare import prepare as prepare
from data_prep.report import Report as Report

__all__ = ["Report", "prepare"]
