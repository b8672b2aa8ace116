"""Tells the forge of a source (GitHub, GitLab, Gitea) how each commit fared, as a commit status."""
