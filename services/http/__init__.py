"""HTTP: routes, schemas and permissions, all derived from commands and questions."""
