"""Trade one instrument at several venues: books over all of them, orders split among them."""
