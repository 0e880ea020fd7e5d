"""Notes and events: MIDI in, integer events out, and back. numpy only, never torch."""
