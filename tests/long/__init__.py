"""What takes long: not part of `make test`."""
