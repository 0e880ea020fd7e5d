"""The classic lecture on VAEs, told in pictures that the package itself draws, with matplotlib (the extra `images`)."""
