"""The OpenAPI document and the validation of requests and responses."""
