"""Ready pieces that an application can add: one file each."""
