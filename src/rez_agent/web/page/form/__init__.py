"""The screens on which a schedule is written: create and edit."""
