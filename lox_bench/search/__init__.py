"""How strong an attack is made: grids, a search, the worst case."""
