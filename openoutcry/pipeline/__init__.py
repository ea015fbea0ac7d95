"""Wire the stages into processes, pin them, watch them."""
