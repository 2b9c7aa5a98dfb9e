"""The pages of the repository, their snippets run as they stand there."""
