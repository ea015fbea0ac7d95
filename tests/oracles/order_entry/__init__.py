"""The kernels of OUCH again, slow and plainly right: the oracle of the fast ones."""
