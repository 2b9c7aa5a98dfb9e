"""Other APIs, spoken in front of backends that know chat completions only.

A request becomes a chat before anything reads it, and its answer is put into the caller's words
where it leaves; so rules, limits, budgets, profiles and accounts know chats alone. Nothing here is
loaded before the first such request.
"""
