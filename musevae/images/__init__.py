"""Files of images <-> arrays of pixels, for the baselines: what `music` is to notes. numpy and Pillow, never torch."""
