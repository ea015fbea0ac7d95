"""The protocols' kernels again, slow and plainly right: what the fast ones are compared with."""
