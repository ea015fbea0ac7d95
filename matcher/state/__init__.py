"""The state as bytes: snapshot, hash, save, load, clone, and the checks of an arena."""
