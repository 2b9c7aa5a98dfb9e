"""PURE: what a policy does when a model is not what it was.

`evidence` is what statuses say of backends, `moving` a spec with other weights, `choosing` which
those would be, `deciding` whether that is worth a change now, `steering` that for all policies,
`quarantining` the table without who has drifted, `record` what is stored, `telling` and `differing`
what people are told.
"""
