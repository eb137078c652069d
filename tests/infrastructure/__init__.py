"""Tests of what stands around the program on AWS."""
