"""Pre-trade limits and market protection: kernels before and after the matcher, over state that the core owns."""
