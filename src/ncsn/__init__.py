"""Annealed-Langevin score models: the library behind the pipeline.

Three rings, imports only inwards: maths (noise, losses, samplers, ema, nets), machinery (data,
training, sampling, checkpoint, reference, metrics) and edges (params, tracking, report). Start at
`build/`.
"""
