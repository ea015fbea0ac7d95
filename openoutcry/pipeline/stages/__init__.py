"""The compiled stages, a module each with its ``step``, and the loop that runs them."""
