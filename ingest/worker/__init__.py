"""The worker: events of a catalogue from a stream into the store, at least once in and exactly once in effect."""
