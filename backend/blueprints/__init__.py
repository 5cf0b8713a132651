"""HTTP only: one file per resource, thin views."""
