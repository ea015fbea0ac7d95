"""What each kind of command does, and which path through the kernels it takes."""
