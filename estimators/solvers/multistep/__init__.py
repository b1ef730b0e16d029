"""Adams' methods of variable order and step, and the quadrature at their step points."""
