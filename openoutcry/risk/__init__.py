"""Pre-trade limits and market protection: kernels around the matcher, over state the core owns."""
