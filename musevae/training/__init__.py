"""Training and evaluation: one loop, the data set held on the device."""
