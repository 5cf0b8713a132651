"""HTTP routes: one file per resource, with thin views and no logic of their own."""
