"""What wraps every request: id, authentication, limits, CORS, headers, audit, errors."""
