"""The matcher as a shared library and a header, for C without Python."""
