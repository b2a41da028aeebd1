"""What must hold whatever happens: many made-up histories, each judged by what shares no code with the gates."""
