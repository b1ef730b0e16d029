"""Adams' methods of variable order and step, and quadrature at their step points."""
