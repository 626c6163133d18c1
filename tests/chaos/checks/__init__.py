"""What must hold once everything is whole again and nothing is left to read: each check names what it found wrong."""
