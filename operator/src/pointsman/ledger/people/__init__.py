"""Who looks at the ledger, and what each may do: by a proxy, by a token, or by OpenID Connect."""
