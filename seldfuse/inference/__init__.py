"""From clips to what each backend infers."""
