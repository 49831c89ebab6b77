"""A brewery below the drivers: models that write the files which the kernel would write."""
