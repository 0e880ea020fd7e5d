"""Tensors: the networks, their likelihoods and the ELBO; torch only."""
