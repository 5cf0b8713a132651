"""Sign-in with an OpenID provider: code flow with PKCE for browsers, ID tokens for apps."""

from backend.identity.oidc.sign_in import OidcSignIn

__all__ = ["OidcSignIn"]
