"""Pre-trade limits and market protection, over state that the core owns.

Kernels before and after the matcher.
"""
