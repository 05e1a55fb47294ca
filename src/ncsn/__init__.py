"""Annealed-Langevin score models: the library behind the pipeline.

A folder is an idea, and that of a stage bears the stage's name. Imports run down this list:
`base`, `maths` (start here for the equations), `config`, `builders` and `runtime`, `data`, the
stages `train`, `sample`, `evaluate` and `toy`, then `tracking` and `report`, at last `sweep`.
"""
