"""What the department does of itself when something happens, or when time has passed."""
