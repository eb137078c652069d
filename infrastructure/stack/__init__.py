"""The resources of one stage, each module a list of one kind."""
