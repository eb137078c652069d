"""What stands around the program on AWS: the stack, what builds its packages, and a whole AWS on a laptop."""
