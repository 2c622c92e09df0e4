"""The joint image-and-mask diffusion model: network, objective, sampling."""
