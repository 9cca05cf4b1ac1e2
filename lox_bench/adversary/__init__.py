"""How strong an attack is made: arguments, grids, a search, and snapshots on the way."""
