"""The detectors: kernels over commands and events in order, each with its plain reference."""
